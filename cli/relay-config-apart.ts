// The thread of `readRelayConfig`.

import { parentPort, workerData } from 'node:worker_threads'
import type { Variables } from '../shared/config/endpoint-address.ts'
import { partFor } from '../shared/config/part.ts'
import { ConfigError, type Problem } from '../shared/config/problem.ts'
import { compile } from '../shared/table/compile.ts'
import { loadConfig } from './load.ts'
import type { RelayConfig } from './relay-config.ts'

async function read(named: string | undefined, variables: Variables): Promise<RelayConfig> {
  const loaded = await loadConfig(named)
  const { file } = loaded
  if (loaded.problems.length > 0) return { file, config: undefined, problems: loaded.problems }
  try {
    // What only the edge asks for may be unset here.
    const { config, warnings } = loaded.read()
    const part = partFor(config, 'relay')
    if (part.listeners.length === 0) return { file, config: undefined, problems: [nothingToDo] }
    compile(part, variables)
    const mine = new Set(part.pools.map(pool => `pools.${pool.name}`))
    const isMine = ({ path }: Problem) => !path.startsWith('pools.') || [...mine].some(pool => path.startsWith(pool))
    return { file, config: part, problems: warnings.filter(isMine) }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { file, config: undefined, problems: error.problems }
  }
}

const nothingToDo: Problem = {
  severity: 'error',
  code: 'no-relay-listener',
  path: 'listeners',
  message: 'the config has no listener for the relay',
  mend: 'Add one of kind "tcp" or "tls"; edge listeners are served by the Worker.',
}

const { named, variables } = workerData as { named: string | undefined; variables: Variables }
parentPort!.postMessage(await read(named, variables))
