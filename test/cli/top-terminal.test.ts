// `fourseven top` in a real terminal: a pseudo-terminal made by `script` (util-linux), resized and typed into as a person
// would.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import { echo } from '../relay/lab.ts'
import { needs } from '../support/needs.ts'
import { folderWith, repository, startFourseven } from './command.ts'

const inTerminal = needs('script', 'stty')

describe('top in a terminal', () => {
  inTerminal('draws on the other screen, and again when the terminal is resized, so that it always fits', async () => {
    const { operator } = await relayWithOneFlow()
    const terminal = await topIn({ columns: 100, rows: 24 }, operator)
    const wide = await terminal.frame(lines => lines.join('\n').includes('127.0.0.1:'))
    expect(terminal.text()).toContain(enterScreen)
    expect(wide[0]).toMatch(/^1 open/)
    expect(wide.join('\n')).toContain('connect    why')
    const longest = (lines: readonly string[]) => Math.max(...lines.map(({ length }) => length))
    expect(longest(wide)).toBeGreaterThan(40)
    expect(longest(wide)).toBeLessThanOrEqual(100)
    terminal.resize(40, 5)
    await terminal.frame(lines => longest(lines) <= 40 && lines.length <= 5)
    terminal.resize(200, 30)
    await terminal.frame(lines => longest(lines) > 100 && lines.length > 4)
    terminal.type('q')
    await terminal.isRestored()
  })

  const ways: Record<string, (terminal: Terminal) => void> = {
    q: terminal => terminal.type('q'),
    'Ctrl-C': terminal => terminal.type('\u0003'),
    'Ctrl-D': terminal => terminal.type('\u0004'),
    SIGTERM: terminal => terminal.signal('SIGTERM'),
  }
  for (const [way, end] of Object.entries(ways)) {
    inTerminal(`${way} ends it with 0 and leaves the terminal as it was`, async () => {
      const { operator } = await relayWithOneFlow()
      const terminal = await topIn({ columns: 80, rows: 24 }, operator)
      await terminal.frame(lines => lines.length > 0)
      // Any other key does nothing.
      terminal.type('x')
      end(terminal)
      await terminal.isRestored()
    })
  }

  inTerminal('a relay that goes away is told in one line, above what was last seen of it', async () => {
    const { operator, relay } = await relayWithOneFlow()
    const terminal = await topIn({ columns: 100, rows: 24 }, operator)
    await terminal.frame(lines => lines[0]!.startsWith('1 open'))
    relay.kill('SIGKILL')
    const [lost, head] = await terminal.frame(lines => !lines[0]!.startsWith('1 open'))
    expect(lost).toContain(`127.0.0.1:${operator}`)
    expect(head).toMatch(/^1 open/)
    terminal.type('q')
    await terminal.isRestored()
  })
})

interface Terminal {
  /** All that was written to it. */
  readonly text: () => string
  /** The lines of the first picture from now on that `wanted` takes; the last one counts too. */
  readonly frame: (wanted: (lines: readonly string[]) => boolean) => Promise<readonly string[]>
  readonly resize: (columns: number, rows: number) => void
  readonly type: (keys: string) => void
  /** To top, not to the terminal. */
  readonly signal: (signal: NodeJS.Signals) => void
  /** Ended with 0, the cursor is back on the first screen, and every setting of the terminal is what it was. */
  readonly isRestored: () => Promise<void>
}

async function topIn(size: { readonly columns: number; readonly rows: number }, operator: number): Promise<Terminal> {
  const top = `'${process.execPath}' '${join(repository, 'cli/fourseven.js')}' top --operator 127.0.0.1:${operator}`
  const shell = `stty cols ${size.columns} rows ${size.rows}; echo tty=$(tty); echo before=$(stty -g)
    sh -c 'echo pid=$$; exec "$@"' sh ${top} --interval 100ms; echo code=$?; echo after=$(stty -g)`
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', shell, '/dev/null'], {
    env: { ...process.env, NO_COLOR: '1', SHELL: '/bin/sh', TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let text = ''
  let heard = () => {}
  child.stdout.setEncoding('utf8').on('data', chunk => {
    text += chunk
    heard()
  })
  const ended = once(child, 'exit').then(() => heard())
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const until = async <Found>(look: () => Found | undefined): Promise<Found> => {
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      if (child.exitCode !== null)
        throw new Error(`the terminal ended before that:\n${JSON.stringify(text.slice(-2000))}`)
      await new Promise<void>(resolve => {
        heard = resolve
      })
    }
  }
  const said = (name: string) => until(() => new RegExp(`${name}=(\\S+)\r\n`).exec(text)?.[1])
  const [tty, pid] = [await said('tty'), await said('pid')]
  return {
    text: () => text,
    frame: wanted => until(() => [lastFrame(text)].find(lines => lines !== undefined && wanted(lines))),
    resize: (columns, rows) => {
      execFileSync('stty', ['-F', tty, 'cols', String(columns), 'rows', String(rows)])
    },
    type: keys => void child.stdin.write(keys),
    signal: signal => void process.kill(Number(pid), signal),
    isRestored: async () => {
      expect(await said('after')).toBe(await said('before'))
      expect(await said('code')).toBe('0')
      expect(text.slice(text.lastIndexOf(pictureEnd) + pictureEnd.length).split('\r\n')[0]).toBe(`${leaveScreen}code=0`)
    },
  }
}

/** Of the last whole picture. */
function lastFrame(text: string): readonly string[] | undefined {
  const end = text.lastIndexOf(pictureEnd)
  const start = text.lastIndexOf(pictureStart, end)
  if (end === -1 || start === -1) return undefined
  return text
    .slice(start + pictureStart.length, end)
    .split('\r\n')
    .map(line => line.replace('\u001b[K', '').replace('\r', ''))
}

async function relayWithOneFlow(): Promise<{ readonly operator: number; readonly relay: ChildProcess }> {
  const { port: end } = await echo()
  const config = {
    listeners: { db: { kind: 'tcp', address: '127.0.0.1:0', maxConnections: 100 } },
    pools: { db: { endpoints: [`tcp://127.0.0.1:${end}`] } },
    routes: [{ name: 'db', listener: 'db', pool: 'db' }],
  }
  const file = join(folderWith({ 'r.json': JSON.stringify(config) }), 'r.json')
  const { child, line } = startFourseven(['relay', file, '--json', '--operator', '127.0.0.1:0'])
  onTestFinished(() => void child.kill('SIGKILL'))
  const { port } = JSON.parse(await line(text => text.includes('"listening"')))
  const { port: operator } = JSON.parse(await line(text => text.includes('"operator_listening"')))
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  onTestFinished(() => void socket.destroy())
  socket.write('x')
  await once(socket, 'data')
  return { operator, relay: child }
}

const enterScreen = '\u001b[?1049h\u001b[?25l'
const leaveScreen = '\u001b[?25h\u001b[?1049l'
const pictureStart = '\u001b[H'
const pictureEnd = '\u001b[J'
