// `fourseven top`: what a running relay carries right now, in a terminal that refreshes; `--once --json` for scripts.

import type { Command } from 'commander'
import type { KernelCounts } from '../relay/kernel/kernel.ts'
import type { FlowPage, LivePool } from '../relay/live.ts'
import type { Place } from './ask.ts'
import { askOperator, askOperatorJson } from './ask-operator.ts'
import { CannotRun, EXIT, EXIT_CODES } from './exit.ts'
import { readDurationOption, readPlace } from './option-values.ts'
import { guarded } from './run.ts'
import { renderTop, type Sample, viewOf } from './top-screen.ts'

interface TopOptions {
  readonly operator: Place
  readonly interval: number
  readonly once?: true
  readonly json?: true
}

export function addTop(program: Command, answer: (exitCode: number) => void): void {
  program
    .command('top')
    .description('Show what a running relay carries: rates, endpoints, live flows. q ends it.')
    .requiredOption('--operator <host:port>', "the relay's operator port", readPlace)
    .option('--interval <time>', 'how often it looks', readDurationOption, 1_000)
    .option('--once', 'look twice, an interval apart, print what was seen, end')
    .option('--json', 'with --once: print it as JSON')
    .addHelpText('after', EXAMPLES)
    .action((options: TopOptions, command: Command) => {
      if (options.json === true && options.once !== true) command.error('error: --json goes with --once')
      return guarded(options, answer, () => (options.once === true ? once(options) : live(options)))
    })
}

async function once(options: TopOptions): Promise<number> {
  const before = await look(options.operator)
  await new Promise(resolve => setTimeout(resolve, options.interval))
  const view = viewOf(await look(options.operator), before)
  if (options.json === true) console.log(JSON.stringify(view, null, 2))
  else
    console.log(renderTop(view, { columns: process.stdout.columns ?? 120, rows: Number.POSITIVE_INFINITY }).join('\n'))
  return EXIT.ok
}

/** On the terminal's other screen, so that what was there before is there again afterwards. */
async function live(options: TopOptions): Promise<number> {
  const { stdin, stdout } = process
  if (!stdout.isTTY) throw new CannotRun('top needs a terminal to draw on', 'Use --once, or --once --json in scripts.')
  let before: Sample | undefined
  let lost: string | undefined
  let view = viewOf(await look(options.operator), undefined)
  const draw = () => {
    const rows = stdout.rows - (lost === undefined ? 0 : 1)
    const lines = renderTop(view, { columns: stdout.columns, rows })
    if (lost !== undefined) lines.unshift(lost.slice(0, stdout.columns))
    stdout.write(`${toTop}${lines.map(line => `${line}${clearLine}`).join('\r\n')}${clearBelow}`)
  }
  const tick = async () => {
    try {
      const now = await look(options.operator)
      view = viewOf(now, before)
      before = now
      lost = undefined
    } catch (error) {
      lost = error instanceof Error ? error.message : String(error)
    }
    if (!isOver) draw()
  }
  let isOver = false
  // Before anything is drawn: a key pressed at the first sight of it must not be echoed, nor a signal end us without the rest.
  const quit = untilQuit(stdin)
  stdout.write(enterScreen)
  stdout.on('resize', draw)
  draw()
  const timer = setInterval(() => void tick(), Math.max(100, options.interval))
  await quit
  isOver = true
  clearInterval(timer)
  stdout.off('resize', draw)
  stdout.write(leaveScreen)
  return EXIT.ok
}

function untilQuit(stdin: NodeJS.ReadStream): Promise<void> {
  return new Promise(resolve => {
    const quit = () => {
      if (stdin.isTTY) stdin.setRawMode(false)
      stdin.pause()
      resolve()
    }
    if (stdin.isTTY) stdin.setRawMode(true)
    stdin.on('data', keys => {
      if (quitting.some(key => String(keys).includes(key))) quit()
    })
    process.once('SIGINT', quit).once('SIGTERM', quit)
  })
}

async function look(place: Place): Promise<Sample> {
  const [flows, { pools }, kernel, metrics] = await Promise.all([
    askOperatorJson<FlowPage>(place, 'GET', `/flows?limit=${mostFlows}`),
    askOperatorJson<{ pools: readonly LivePool[] }>(place, 'GET', '/pools'),
    askOperatorJson<KernelCounts>(place, 'GET', '/kernel'),
    askOperator(place, 'GET', '/metrics'),
  ])
  const sum = (pattern: RegExp) =>
    [...metrics.text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0)
  return {
    atMs: performance.now(),
    connections: sum(/^fourseven_(?:connections|sessions)_total\{.*\} (\S+)$/gm) + flows.total,
    bytesIn: sum(/^fourseven_bytes_total\{direction="in"\} (\S+)$/gm),
    bytesOut: sum(/^fourseven_bytes_total\{direction="out"\} (\S+)$/gm),
    flows,
    pools,
    kernel: kernel.rows,
  }
}

/** The last two are Ctrl-C and Ctrl-D, which a raw terminal passes on as they are. */
const quitting = ['q', 'Q', '\u0003', '\u0004']
const mostFlows = 500
const enterScreen = '\u001b[?1049h\u001b[?25l'
const leaveScreen = '\u001b[?25h\u001b[?1049l'
const toTop = '\u001b[H'
const clearLine = '\u001b[K'
const clearBelow = '\u001b[J'

const EXAMPLES = `
Examples:
  fourseven top --operator 127.0.0.1:9047
  fourseven top --operator 127.0.0.1:9047 --once --json

${EXIT_CODES}`
