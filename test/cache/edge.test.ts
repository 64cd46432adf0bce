// The cases through the Worker in real workerd, with its Cache API.

import http from 'node:http'
import { lab } from '../workers/lab.ts'
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
  return {
    ask: (path, { method, headers }) =>
      new Promise((resolve, reject) => {
        const request = http.request(
          { host: '127.0.0.1', port: edge.port, path, method, headers: { host: 'app.test', ...headers } },
          response => {
            const chunks: Buffer[] = []
            const end = (status: number) => resolve({ status, headers: response.headers, body: Buffer.concat(chunks) })
            response.on('data', chunk => chunks.push(chunk))
            response.on('end', () => end(response.complete ? response.statusCode! : 0))
            response.on('error', () => end(0))
          },
        )
        request.on('error', reject)
        request.end()
      }),
  }
})
