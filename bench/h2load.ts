// h2load as the client of a closed loop: it is in C, so it bounds a bench less than a client in Node would.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface Load {
  readonly kind: 'h1' | 'grpc'
  readonly port: number
  /** In all. */
  readonly requests: number
  readonly connections: number
  /** Streams on each connection at once. */
  readonly streams: number
  /** A file with the body of every request. */
  readonly body: string
}

/** Gives the seconds it took. Throws when a request failed or got an answer that is no 2xx. */
export async function h2load({ kind, port, requests, connections, streams, body }: Load): Promise<number> {
  const { stdout } = await run(
    'h2load',
    [
      ...['-n', String(requests), '-c', String(connections), '-m', String(streams), '-d', body],
      ...(kind === 'h1' ? ['--h1'] : ['-H', 'content-type: application/grpc', '-H', 'te: trailers']),
      `http://127.0.0.1:${port}/bench.Echo/Unary`,
    ],
    { timeout: LONGEST_MS },
  )
  const good = /^status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx$/m.exec(stdout)
  const took = /^finished in ([\d.]+)(us|ms|s), /m.exec(stdout)
  if (Number(good?.[1]) !== requests || took === null) throw new Error(`not ${requests} good answers:\n${stdout}`)
  return Number(took[1]) / { s: 1, ms: 1e3, us: 1e6 }[took[2] as 's' | 'ms' | 'us']
}

const run = promisify(execFile)
const LONGEST_MS = 60_000
