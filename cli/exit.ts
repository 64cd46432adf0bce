// How the command ends, the same for every subcommand.

export const EXIT = {
  ok: 0,
  /** The config has errors, a row of the smoke run failed, or a change was refused. */
  problems: 1,
  /** The arguments make no sense. */
  usage: 2,
  /** Not the config's fault: a port in use, a file that cannot be written. */
  cannotRun: 3,
} as const

export const EXIT_CODES = `Exit codes:
  0  all is well (dev: ended by Ctrl-C or SIGTERM)
  1  the config has problems, a smoke row failed, or a change was refused
  2  wrong usage
  3  cannot run: a port is in use, a file cannot be written, nobody answers`

/** What an operator can mend outside the config: said in one line and ended with `EXIT.cannotRun`. */
export class CannotRun extends Error {
  readonly mend: string

  constructor(message: string, mend: string) {
    super(message)
    this.name = 'CannotRun'
    this.mend = mend
  }
}
