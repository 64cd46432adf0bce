// The cases through the Worker in real workerd, with its Cache API.

import { lab } from '../workers/lab.ts'
import { askOnce } from './ask.ts'
import { runCacheCases } from './through.ts'

runCacheCases('edge', async (endpoint, rules) => {
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
  return { ask: (path, asked) => askOnce(edge.port, path, asked) }
})
