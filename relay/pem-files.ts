// What is made of PEM files, and made again when one of them changes: certificates are renewed while the relay runs.

import { readFileSync, type Stats, unwatchFile, watchFile } from 'node:fs'

export class PemFiles<Made> {
  /** What the files last made together; connections that began under what they made before go on with that. */
  now: Made
  private readonly files: readonly string[]
  private readonly onChange: (now: Stats, before: Stats) => void

  /**
   * Makes it for the first time, which may throw what `make` throws; later `make` failing is told to `say` in one line
   * and what was made before stays. Files are looked at once a second, through links too: renewing tools replace either.
   *
   * @param files relative ones from the folder the relay was started in
   */
  constructor(files: readonly string[], make: () => Made, say: (problem: string) => void) {
    this.now = make()
    this.files = [...new Set(files)]
    this.onChange = (now, before) => {
      if (now.mtimeMs === before.mtimeMs && now.ino === before.ino && now.size === before.size) return
      try {
        this.now = make()
      } catch (error) {
        // A certificate and its key are often replaced one after the other: the second change mends it.
        say(`${describeFault(error)}; what was there before stays in use`)
      }
    }
    for (const file of this.files) watchFile(file, { interval: lookMs, persistent: false }, this.onChange)
  }

  close(): void {
    for (const file of this.files) unwatchFile(file, this.onChange)
  }
}

/** @throws Error that names the file */
export function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? error}`)
  }
}

/** OpenSSL's words are for those who know them; they stand behind what they are about. */
export function describeFault(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const lookMs = 1000
