// The relay's part of a config, read in a thread of its own: every reading sees the files as they are now, with all that
// they import, and a config of ten thousand routes does not keep the traffic waiting.

import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Config } from '../shared/config/parsed.ts'
import type { Problem } from '../shared/config/problem.ts'

export interface RelayConfig {
  /** Absolute. */
  readonly file: string
  /** The relay's listeners with their routes and pools; undefined when there are errors. */
  readonly config: Config | undefined
  readonly problems: readonly Problem[]
}

/** @param named undefined: the config of this folder, as for every subcommand */
export async function readRelayConfig(named: string | undefined, variables: Variables): Promise<RelayConfig> {
  // The source when this is the source, what was built of it when this was built.
  const apart = new URL(`./relay-config-apart${extname(new URL(import.meta.url).pathname)}`, import.meta.url)
  const worker = new Worker(apart, { workerData: { named, variables: { ...variables } }, stdout: true })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => void worker.terminate(), longestMs)
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => {
      clearTimeout(timer)
      const message = `it was not read after ${longestMs / 1000} s, or ended the thread that read it`
      const mend = 'A config must load by itself: no endless work at its top level, no process.exit.'
      const problem: Problem = { severity: 'error', code: 'import-failed', path: '', message, mend }
      resolve({ file: named ?? '', config: undefined, problems: [problem] })
    })
  })
}

const longestMs = 60_000
