// `fourseven demo`: the demo endpoints alone, for `npx wrangler dev` beside them.

import type { Command } from 'commander'
import { startDemo, stopDemo } from './demo.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { drawTable } from './paint.ts'
import { guarded } from './run.ts'
import { untilSignal } from './signals.ts'

export function addDemo(program: Command, answer: (exitCode: number) => void): void {
  program
    .command('demo')
    .description('Run the demo endpoints of the shipped routes alone, until Ctrl-C.')
    .option('--json', 'print the endpoints as one line of JSON')
    .addHelpText('after', EXAMPLES)
    .action((options: { json?: true }) => guarded(options, answer, () => demo(options)))
}

async function demo(options: { json?: true }): Promise<number> {
  const ended = untilSignal()
  const endpoints = await startDemo('shipped')
  const rows = endpoints.map(({ name, variable, address }) => ({ name, variable, address }))
  if (options.json === true) console.log(JSON.stringify({ endpoints: rows }))
  else {
    const cells = rows.map(({ name, variable, address }) => [name, address, variable])
    console.log(drawTable(['endpoint', 'address', 'variable'], cells))
    console.log('Ctrl-C ends them.')
  }
  await ended
  await stopDemo(endpoints)
  return EXIT.ok
}

const EXAMPLES = `
Examples:
  fourseven demo            then, in another terminal: npx wrangler dev
  fourseven demo --json

${EXIT_CODES}`
