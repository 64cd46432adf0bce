// `fourseven history` and `fourseven undo`: who changed what and why, and back.

import type { Command } from 'commander'
import type { Change } from '../workers/control/store.ts'
import {
  addEdgeOptions,
  addWriteOptions,
  askEdge,
  changeWords,
  type EdgeOptions,
  readVersion,
  sayMade,
  sayRefusal,
  type WriteOptions,
  writeAtEdge,
} from './ask-edge.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { drawTable } from './paint.ts'
import { guarded } from './run.ts'

interface HistoryOptions extends EdgeOptions {
  readonly most: number
  readonly before?: number
  readonly automatic?: true
}

export function addHistory(program: Command, answer: (exitCode: number) => void): void {
  addEdgeOptions(program.command('history').description('Show who changed what without a deploy, newest first.'))
    .option('--most <n>', 'so many changes, up to 200', readVersion, 20)
    .option('--before <version>', 'those that made an older version', readVersion)
    .option('--automatic', 'what probes and traffic changed too')
    .addHelpText('after', HISTORY_EXAMPLES)
    .action((options: HistoryOptions) => guarded(options, answer, () => history(options)))
}

export function addUndo(program: Command, answer: (exitCode: number) => void): void {
  addWriteOptions(
    program
      .command('undo')
      .description('Take a change back.')
      .argument(
        '[version]',
        "the one that made this version; else the newest of an operator's that stands",
        readVersion,
      ),
  )
    .addHelpText('after', UNDO_EXAMPLES)
    .action((version: number | undefined, options: WriteOptions) =>
      guarded(options, answer, () => undo(version, options)),
    )
}

async function history(options: HistoryOptions): Promise<number> {
  const query = new URLSearchParams({ most: String(Math.min(Math.max(options.most, 1), 200)) })
  if (options.before !== undefined) query.set('before', String(options.before))
  if (options.automatic === true) query.set('automatic', 'yes')
  const { changes } = (await askEdge(options, `history?${query}`)) as { readonly changes: readonly Change[] }
  if (options.json === true) console.log(JSON.stringify({ changes }, null, 2))
  else if (changes.length === 0) console.log('nothing was changed without a deploy')
  else console.log(drawTable(['version', 'when', 'who', 'what', 'why', 'undone by'], changes.map(row)))
  return EXIT.ok
}

function row({ version, at, author, command, reason, undoneBy }: Change): readonly string[] {
  return [String(version), whenText(at), author, changeWords(command), reason, undoneBy === null ? '' : `${undoneBy}`]
}

async function undo(version: number | undefined, options: WriteOptions): Promise<number> {
  const made = await writeAtEdge(options, 'undo', version === undefined ? {} : { version })
  if ('problems' in made) {
    sayRefusal(made, options.json === true)
    return EXIT.problems
  }
  sayMade(made, `version ${made.undone} was taken back`, options.json === true)
  return EXIT.ok
}

/** In UTC: who reads it together may sit apart. */
export function whenText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

const HISTORY_EXAMPLES = `
Examples:
  fourseven history
  fourseven history --automatic --most 50 --edge https://www.example.com --json

${EXIT_CODES}`

const UNDO_EXAMPLES = `
Examples:
  fourseven undo
  fourseven undo 12 --reason "wrong endpoint" --edge https://www.example.com

Refused when what it touched was changed again since: then say what it is to be.

${EXIT_CODES}`
