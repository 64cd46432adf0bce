// The `http` door among others who speak HTTP/2: nghttpx and HAProxy in front of it and behind it, and the clients of nghttp2
// and curl.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nghttpx } from '../support/servers.ts'
import { relayProgram } from './program.ts'

const CLIENT = '127.0.0.9'
const run = promisify(execFile)

describe('clients', () => {
  needs('curl')('curl speaks HTTP/2 at once, HTTP/1.1, and HTTP/1.1 to an HTTP/2 endpoint', async () => {
    for (const endpoint of [await seeing('h1'), await seeing('h2')]) {
      const { port } = await relayProgram(configTo(endpoint))
      const url = `http://127.0.0.1:${port}/path?q=1`
      const direct = ['-sS', '--http2-prior-knowledge', '-o', '/dev/null', '-w', '%{http_version} %{http_code}']
      expect((await run('curl', [...direct, url])).stdout).toBe('2 200')
      expect((await run('curl', ['-sS', '--http1.1', url])).stdout).toContain('"url":"/path?q=1"')
      const body = 'x'.repeat(100_000)
      const sent = await run('curl', ['-sS', '--http2-prior-knowledge', '-d', body, url])
      expect(JSON.parse(sent.stdout)).toMatchObject({ method: 'POST', bytes: 100_000 })
    }
  })

  needs('nghttp')('nghttp asks many at once on one connection, with padding', async () => {
    const { port } = await relayProgram(configTo(await seeing('h2')))
    const urls = Array.from({ length: 20 }, (_, i) => `http://127.0.0.1:${port}/${i}`)
    const { stdout } = await run('nghttp', ['--no-verify-peer', '--padding=64', '--stat', '--null-out', ...urls])
    expect(stdout.match(/ 200 /g)).toHaveLength(20)
  })

  needs('h2load')('h2load gets an answer to every one of thousands, over HTTP/2 and HTTP/1.1', async () => {
    const { port } = await relayProgram(configTo(await seeing('h2')))
    for (const how of [['-m', '50'], ['--h1']]) {
      const { stdout } = await run('h2load', ['-n', '4000', '-c', '4', ...how, `http://127.0.0.1:${port}/`])
      expect(stdout).toContain('4000 succeeded, 0 failed, 0 errored, 0 timeout')
      expect(stdout).toContain('status codes: 4000 2xx')
    }
  })
})

describe('endpoints', () => {
  needs('nghttpx', 'curl')('nghttpx over HTTP/2', async () => {
    const [port, behind] = [await freePort(), await seeing('h1')]
    await nghttpx(port, `127.0.0.1,${behind}`)
    const door = await relayProgram(configTo(port, 'h2c'))
    expect(await seenThrough(door.port)).toMatchObject({ headers: { 'x-forwarded-for': CLIENT, via: '2 nghttpx' } })
  })

  needs('haproxy', 'curl')('HAProxy over HTTP/2', async () => {
    const [port, behind] = [await freePort(), await seeing('h1')]
    await haproxy(port, `listen l\n  mode http\n  bind 127.0.0.1:${port} proto h2\n  server s 127.0.0.1:${behind}`)
    const door = await relayProgram(configTo(port, 'h2c'))
    expect(await seenThrough(door.port)).toMatchObject({ headers: { 'x-forwarded-for': CLIENT } })
  })
})

describe('in front', () => {
  needs('nghttpx', 'curl')('nghttpx, which says in X-Forwarded-For who the client is', async () => {
    const [port, endpoint] = [await freePort(), await seeing('h2')]
    const door = await relayProgram(configTo(endpoint, 'h2c', { clientAddress: { trustedProxies: ['127.0.0.1'] } }))
    await nghttpx(port, `127.0.0.1,${door.port};;proto=h2`, [
      '--strip-incoming-x-forwarded-for',
      '--add-x-forwarded-for',
    ])
    // What a trusted proxy says is kept, and who that was stands behind it.
    expect(await seenThrough(port)).toMatchObject({ headers: { 'x-forwarded-for': `${CLIENT}, 127.0.0.1` } })
  })

  for (const [words, version] of [
    ['send-proxy-v2', 'HTTP/1.1'],
    ['send-proxy-v2 proto h2', 'HTTP/2'],
  ]) {
    needs('haproxy', 'curl')(`HAProxy with a PROXY header, over ${version}`, async () => {
      const [port, endpoint] = [await freePort(), await seeing('h2')]
      const proxyProtocol = [{ from: ['127.0.0.1'], mode: 'require' as const }]
      const door = await relayProgram(configTo(endpoint, 'h2c', { proxyProtocol }))
      await haproxy(port, `listen l\n  mode http\n  bind 127.0.0.1:${port}\n  server s 127.0.0.1:${door.port} ${words}`)
      expect(await seenThrough(port)).toMatchObject({ headers: { 'x-forwarded-for': CLIENT } })
    })
  }
})

interface Seen {
  readonly method: string
  readonly url: string
  readonly bytes: number
  readonly headers: Readonly<Record<string, string>>
}

/** An endpoint that answers with what it saw, over the one or the other. */
async function seeing(kind: 'h1' | 'h2'): Promise<number> {
  const serve = (
    request: AsyncIterable<Buffer> & { method?: string; url?: string; headers: object },
    answer: Answer,
  ) => {
    void (async () => {
      let bytes = 0
      for await (const chunk of request) bytes += chunk.length
      const { method, url, headers } = request
      answer.setHeader('content-type', 'application/json')
      answer.end(JSON.stringify({ method, url, bytes, headers }))
    })()
  }
  const server: Server = kind === 'h1' ? createHttp(serve as never) : createHttp2(serve as never)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  kinds.set(port, kind === 'h1' ? 'http' : 'h2c')
  return port
}

interface Answer {
  setHeader(name: string, value: string): void
  end(body: string): void
}

const kinds = new Map<number, string>()

function configTo(port: number, scheme = kinds.get(port)!, listener: object = {}): ConfigInput {
  return {
    listeners: { door: { kind: 'http', address: '127.0.0.1:0', ...listener } },
    pools: { pool: { endpoints: [`${scheme}://127.0.0.1:${port}`] } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  }
}

/** What the endpoint saw of a request that a client at another address has sent, who lies about it. */
async function seenThrough(port: number): Promise<Seen> {
  const lie = ['-H', 'X-Forwarded-For: 203.0.113.66']
  const { stdout } = await run('curl', ['-sS', '--interface', CLIENT, ...lie, `http://127.0.0.1:${port}/`])
  return JSON.parse(stdout)
}
