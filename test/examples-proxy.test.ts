// The example with nginx behind the PROXY protocol, with a real nginx and its own nginx.conf.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { askTcp } from '../cli/ask.ts'
import { startPlanes } from '../cli/planes.ts'
import routes from '../examples/proxy-protocol-nginx/routes.ts'
import { parse } from '../shared/config/parse.ts'
import { needs } from './support/needs.ts'
import { root } from './support/pages.ts'
import { freePort, nginx } from './support/servers.ts'

const ask = 'GET / HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n'

needs('nginx')('proxy-protocol-nginx: nginx knows its client, direct or behind a load balancer', async () => {
  const [a, b] = [await freePort(), await freePort()]
  const written = readFileSync(join(root, 'examples/proxy-protocol-nginx/nginx.conf'), 'utf8')
  await nginx(a, 'http', written.replaceAll('8081', String(a)).replaceAll('8082', String(b)))
  const variables = { NGINX_A: `tcp://127.0.0.1:${a}`, NGINX_B: `tcp://127.0.0.1:${b}` }
  expect(await through(routes, ask, variables)).toContain('200 OK')
  expect(await through(routes, ask, variables)).toContain('you are 127.0.0.1, by 127.0.0.1')

  const { web } = routes.listeners
  const proxyProtocol = [{ from: ['127.0.0.0/8'], mode: 'require' as const }]
  const behind = { ...routes, listeners: { web: { ...web!, proxyProtocol } } } as typeof routes
  const header = 'PROXY TCP4 203.0.113.7 198.51.100.1 40000 80\r\n'
  expect(await through(behind, header + ask, variables)).toContain('you are 203.0.113.7, by 127.0.0.1')
})

async function through(config: typeof routes, bytes: string, variables: Readonly<Record<string, string>>) {
  const planes = await startPlanes(parse(config, { variables }).config, {
    variables,
    edge: { host: '127.0.0.1', port: 0 },
    ports: 'free',
    onRecord: () => {},
  })
  onTestFinished(planes.stop)
  const answer = await askTcp(planes.listeners.get('web')!, Buffer.from(bytes), 'full', AbortSignal.timeout(10_000))
  return String(answer)
}
