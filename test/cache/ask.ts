// A client that takes an answer that breaks off for what it is.

import http from 'node:http'
import type { Got } from './through.ts'

/** Status 0 when the answer broke off, before or within its body. */
export function askOnce(
  port: number,
  path: string,
  { method, headers }: { method: string; headers: Record<string, string | string[]> },
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { host: '127.0.0.1', port, path, method, headers: { host: 'app.test', ...headers } },
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
  })
}
