// The cases through the relay's http door, with its store in memory.

import { afterAll } from 'vitest'
import { startRelay } from '../../relay/relay.ts'
import { parse } from '../../shared/config/parse.ts'
import { askOnce } from './ask.ts'
import { runCacheCases } from './through.ts'
import { runUsers } from './users.ts'

const closing: (() => Promise<unknown>)[] = []
afterAll(() => Promise.all(closing.map(close => close())))

const open = async (endpoint: string, rules: object) => {
  const { config } = parse({
    listeners: { web: { kind: 'http', address: '127.0.0.1:0' } },
    pools: { app: { endpoints: [endpoint] } },
    routes: Object.entries(rules).map(([name, cache]) => ({
      name,
      match: { path: { prefix: `/${name}` } },
      pool: 'app',
      retry: false,
      cache,
    })),
  } as never)
  const relay = await startRelay({ config, variables: {}, onRecord: () => {}, onRequest: () => {} })
  closing.push(() => relay.stop({ drainMs: 0 }))
  const { port } = relay.addresses.get('web')!
  return { ask: (path: string, asked: Parameters<typeof askOnce>[2]) => askOnce(port, path, asked) }
}

runCacheCases('relay', open)
runUsers('relay', 300, endpoint => open(endpoint, { plain: true }))
