// `fourseven probe proxy HOST:PORT`: finds out whether an endpoint reads the PROXY header, ignores it or takes it as payload.

import { connect, type Socket } from 'node:net'
import { type Command, InvalidArgumentError } from 'commander'
import { parseDuration } from '../shared/config/units.ts'
import { parseAddress, parseHostPort } from '../shared/wire/address.ts'
import { type ProxySays, writeProxyHeader } from '../shared/wire/proxy-header.ts'
import { type Place, placeText } from './ask.ts'
import { CannotRun, EXIT, EXIT_CODES } from './exit.ts'
import { drawTable } from './paint.ts'
import { type Answered, judgeProxy, type Question, questions, type Verdict } from './proxy-verdict.ts'
import { guarded } from './run.ts'

interface ProbeOptions {
  readonly timeout: number
  readonly json?: true
}

type Found = Verdict & { readonly version: 1 | 2; readonly asked: Question['name'] | null }

export function addProbe(program: Command, answer: (exitCode: number) => void): void {
  program
    .command('probe')
    .description('Ask an endpoint what it does with a PROXY header.')
    .usage('proxy <HOST:PORT> [options]')
    .argument('<what...>', '`proxy` and the endpoint')
    .option('--timeout <time>', 'how long one answer may take', readTimeout, 1_000)
    .option('--json', 'print what was found as JSON')
    .addHelpText('after', NOTES)
    .action((what: string[], options: ProbeOptions, command: Command) =>
      guarded(options, answer, async () => {
        if (what.length !== 2 || what[0] !== 'proxy') command.error('error: write it as: probe proxy HOST:PORT')
        const place = parseHostPort(what[1]!)
        if (place === undefined || place.port === 0) {
          command.error(`error: "${what[1]}" is not a host and port, such as 127.0.0.1:8080`)
        }
        return probeProxy(place, options)
      }),
    )
}

async function probeProxy(place: Place, options: ProbeOptions): Promise<number> {
  const own = await ownAddresses(place, options.timeout)
  const found: Found[] = []
  for (const version of [1, 2] as const) found.push(await judge(place, version, own, options.timeout))
  if (options.json === true) console.log(JSON.stringify({ endpoint: placeText(place), found }, null, 2))
  else {
    const rows = found.map(({ version, does, sure, because, asked }) => [
      `version ${version}`,
      meanings[does],
      sure === 'no' ? 'not sure' : sure,
      asked ?? '',
      because,
    ])
    console.log(drawTable(['header', placeText(place), 'how sure', 'asked', 'because'], rows))
  }
  return found.every(({ does }) => does === 'unknown') ? EXIT.problems : EXIT.ok
}

/** The first question that somebody answers decides. */
async function judge(place: Place, version: 1 | 2, own: ProxySays, timeoutMs: number): Promise<Found> {
  const header = Buffer.from(writeProxyHeader({ version, says: own, tlvs: [] }))
  for (const question of questions) {
    const bytes = question.bytes(placeText(place))
    const [plain, behind, broken] = await Promise.all(
      [Buffer.alloc(0), header, brokenHeaders[version]].map(opening =>
        exchange(place, Buffer.concat([opening, bytes]), timeoutMs),
      ),
    )
    const verdict = judgeProxy(question, header, { plain: plain!, header: behind!, broken: broken! })
    if (verdict !== undefined) return { version, ...verdict, asked: question.name }
  }
  const because = 'it answered none of the questions, with the header or without'
  return { version, does: 'unknown', sure: 'no', because, asked: null }
}

/** What a relay would say of this machine: the addresses of a real connection. Throws CannotRun when there is none. */
function ownAddresses(place: Place, timeoutMs: number): Promise<ProxySays> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...place, timeout: timeoutMs })
    const fail = (why: string) => {
      socket.destroy()
      reject(
        new CannotRun(`no connection to ${placeText(place)}: ${why}`, 'Start the endpoint, or mend host and port.'),
      )
    }
    socket.once('timeout', () => fail(`none within ${timeoutMs} ms`))
    socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message))
    socket.once('connect', () => {
      const source = endOf(socket.localAddress, socket.localPort)
      const destination = endOf(socket.remoteAddress, socket.remotePort)
      socket.destroy()
      if (source === undefined || destination === undefined) resolve({ of: 'unknown' })
      else resolve({ of: 'inet', transport: 'stream', source, destination })
    })
  })
}

function endOf(text: string | undefined, port: number | undefined) {
  const address = parseAddress(text?.split('%')[0] ?? '')
  return address === undefined ? undefined : { address, port: port ?? 0 }
}

/** Until it closes, or until nothing more has come for a while. */
function exchange(place: Place, bytes: Buffer, timeoutMs: number): Promise<Answered> {
  return new Promise(resolve => {
    const socket: Socket = connect({ ...place, noDelay: true })
    let received = Buffer.alloc(0)
    let timer = setTimeout(() => finish('open'), timeoutMs)
    const finish = (end: Answered['end']) => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ bytes: received, end })
    }
    socket.on('connect', () => {
      if (bytes.length > 0) socket.write(bytes)
    })
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk]).subarray(0, mostAnswer)
      clearTimeout(timer)
      timer = setTimeout(() => finish('open'), Math.min(timeoutMs, quietMs))
    })
    socket.on('end', () => finish('closed'))
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code === 'ECONNREFUSED' ? 'refused' : 'reset'))
  })
}

function readTimeout(text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms < 10 || ms > 60_000) throw new InvalidArgumentError('Write a time such as 500ms or 2s.')
  return ms
}

const meanings: Readonly<Record<Verdict['does'], string>> = {
  requires: 'reads it, and serves nobody without',
  accepts: 'reads it where it comes',
  ignores: 'ignores it',
  payload: 'takes it as payload',
  unknown: 'cannot be told',
}

/** No receiver that reads headers can take these: a family that is none (HAProxy takes 999.0.0.1), and version 3 of the binary. */
const brokenHeaders: Readonly<Record<1 | 2, Buffer>> = {
  1: Buffer.from('PROXY TCP9 192.0.2.1 192.0.2.2 40000 40001\r\n'),
  2: Buffer.from('0d0a0d0a000d0a515549540a3111000c7f0000017f00000100010001', 'hex'),
}
const mostAnswer = 4096
const quietMs = 200

const NOTES = `
Each version is tried by asking the same question three times: without a header, behind one that names this machine, and
behind a broken one. The questions are silence (who speaks first?), HTTP, Redis, Postgres, TLS, and a line to be echoed;
the first that is answered decides.

How sure it can be:
  certain   no other behaviour explains the answers
  likely    an endpoint that reads headers of some peers only, or that overlooks a first line, would look alike
  not sure  nobody answered, or the endpoint speaks first and says no more

Each connection stands in the log of the endpoint, some as errors.

Examples:
  fourseven probe proxy 127.0.0.1:8080
  fourseven probe proxy db.example.com:5432 --timeout 2s --json

${EXIT_CODES}`
