// How an action of a subcommand ends: its exit code, and what cannot run said without a stack.

import { CannotRun, EXIT } from './exit.ts'
import { paint } from './paint.ts'

/** Runs an action and reports its exit code. CannotRun is told as one line and its mend, or as JSON with --json. */
export async function guarded(
  options: { readonly json?: true },
  answer: (exitCode: number) => void,
  action: () => Promise<number>,
): Promise<void> {
  try {
    answer(await action())
  } catch (error) {
    if (!(error instanceof CannotRun)) throw error
    const { message, mend } = error
    if (options.json === true) console.log(JSON.stringify({ ok: false, cannotRun: message, mend }))
    console.error(`${paint('red', 'cannot run')}: ${message}\n  mend: ${mend}`)
    answer(EXIT.cannotRun)
  }
}
