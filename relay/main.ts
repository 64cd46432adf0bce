// The relay as a program: `node relay/main.ts CONFIG`. Records go to stdout as JSON lines, all else to stderr.
// SIGTERM and SIGINT drain and exit with 0; a second one exits at once.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from '../shared/config/parse.ts'
import { ConfigError, formatProblem } from '../shared/config/problem.ts'
import { formatRecord } from './record.ts'
import { startRelay } from './relay.ts'

async function main(file: string | undefined): Promise<void> {
  if (file === undefined) return fail('usage: node relay/main.ts CONFIG (a .ts, .js or .json file)', 2)
  const variables = process.env
  const url = pathToFileURL(resolve(file)).href
  const isJson = url.endsWith('.json')
  const { default: input } = await import(url, isJson ? { with: { type: 'json' } } : {})
  try {
    // What only the edge asks for may be unset here; `startRelay` looks at the relay's own.
    const { config, warnings } = parse(input)
    for (const warning of warnings) console.error(formatProblem(warning))
    const relay = await startRelay({
      config,
      variables,
      onRecord: record => process.stdout.write(`${formatRecord(record)}\n`),
    })
    for (const [name, { host, port }] of relay.addresses) console.error(`listener ${name} on ${host}:${port}`)
    let isStopping = false
    const stop = async () => {
      if (isStopping) process.exit(1)
      isStopping = true
      const stopped = relay.stop({ drainMs })
      console.error(`stopped accepting; open connections have ${drainMs / 1000} s`)
      await stopped
      process.exit(0)
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    fail(error.message, 1)
  }
}

function fail(message: string, exitCode: number): void {
  console.error(message)
  process.exitCode = exitCode
}

const drainMs = 30_000

// Whoever reads the records may go away; the traffic goes on.
process.stdout.on('error', () => {})
await main(process.argv[2])
