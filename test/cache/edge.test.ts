// The cases through the Worker in real workerd, with its Cache API.

import { lab } from '../workers/lab.ts'
import { askOnce } from './ask.ts'
import { runCacheCases } from './through.ts'
import { runUsers } from './users.ts'

const open = async (endpoint: string, rules: object) => {
  const edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: [endpoint] } },
    routes: Object.entries(rules).map(([name, cache]) => ({
      name,
      match: { path: { prefix: `/${name}` } },
      pool: 'app',
      retry: false,
      cache,
    })),
  } as never)
  return { ask: (path: string, asked: Parameters<typeof askOnce>[2]) => askOnce(edge.port, path, asked) }
}

runCacheCases('edge', open)
runUsers('edge', 100, endpoint => open(endpoint, { plain: true }))
