// What a relay says: records and events as JSON lines on stdout, and what happens to itself in words on stderr.

export interface Report {
  /** One line on stdout. */
  readonly line: (text: string) => void
  /** The words on stderr; with --json the event on stdout. */
  readonly say: (words: string, event: Readonly<Record<string, unknown>>) => void
  /** When everything has been written. */
  readonly flush: () => Promise<void>
}

export function openReport(asJson: boolean): Report {
  // Whoever reads may go away; the traffic goes on.
  process.stdout.removeAllListeners('error').on('error', () => {})
  process.stderr.on('error', () => {})
  let waiting: string[] = []
  const write = () => {
    if (waiting.length === 0) return
    const text = `${waiting.join('\n')}\n`
    waiting = []
    process.stdout.write(text)
  }
  const line = (text: string) => {
    // A write costs as much as a short flow: those of one turn of the loop go together.
    if (waiting.push(text) === 1) setImmediate(write)
  }
  return {
    line,
    say: (words, event) => {
      if (asJson) line(JSON.stringify({ time: new Date().toISOString(), ...event }))
      else process.stderr.write(`${words}\n`)
    },
    flush: () => {
      write()
      return new Promise(resolve => process.stdout.write('', () => resolve()))
    },
  }
}
