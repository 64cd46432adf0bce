// Never across users: an application that marks what is somebody's own, each time in another way, and users in any order.
// Whatever comes out of a door is everybody's or the user's own.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { endpoint } from '../workers/lab.ts'
import type { CacheDoor } from './through.ts'

/** How an application says that an answer is of one user; the body has their token. */
const marks: readonly ((user: string) => Readonly<Record<string, string>>)[] = [
  () => ({}),
  () => ({ 'cache-control': 'private, max-age=600' }),
  () => ({ 'cache-control': 'no-store' }),
  () => ({ 'cache-control': 'public, private, max-age=600' }),
  () => ({ 'cache-control': 'max-age=600, s-maxage=600', 'cdn-cache-control': 'private' }),
  user => ({ 'cache-control': 'no-cache', etag: `"${user}"` }),
  user => ({ 'cache-control': 'public, no-cache, max-age=600', etag: `W/"${user}"` }),
  user => ({ 'cache-control': 'public, max-age=600', 'set-cookie': `session=${user}` }),
  user => ({ 'cache-control': 'max-age=600', 'set-cookie': `session=${user}; Path=/` }),
  () => ({ 'cache-control': 'public, max-age=600', vary: 'authorization' }),
  () => ({ 'cache-control': 'public, max-age=600', vary: 'Accept, Cookie' }),
  () => ({ 'cache-control': 's-maxage=600', vary: 'x-user' }),
  () => ({ 'cache-control': 'public, max-age=600, stale-if-error=600', vary: '*' }),
  user => ({ 'cache-control': 'max-age=600, private="x-token"', 'x-token': user, vary: 'cookie' }),
  user => ({ 'cache-control': 'public, max-age=600, no-cache="x-token, set-cookie"', 'x-token': user, vary: 'x-user' }),
  // Allowed by nothing for requests with Authorization.
  () => ({ 'cache-control': 'max-age=600' }),
  () => ({ expires: new Date(Date.now() + 600_000).toUTCString() }),
  () => ({ 'cache-control': 'proxy-revalidate, max-age=600' }),
]

interface Asking {
  readonly user: string
  readonly path: string
  readonly method: string
  readonly mark: number | undefined
  readonly asks: Readonly<Record<string, string>>
  readonly isDown: boolean
}

const step: fc.Arbitrary<Asking> = fc.record({
  user: fc.constantFrom('anna', 'bert', 'cleo'),
  path: fc.constantFrom('/a', '/b'),
  method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST'),
  /** Everybody's, or of the user in one of these ways. */
  mark: fc.option(fc.nat(marks.length - 1), { nil: undefined, freq: 4 }),
  asks: fc.constantFrom<Readonly<Record<string, string>>[]>(
    {},
    {},
    { 'cache-control': 'max-stale' },
    { 'cache-control': 'only-if-cached' },
    { range: 'bytes=0-3' },
    { 'if-none-match': '"anna"' },
    { 'accept-encoding': 'gzip' },
  ),
  isDown: fc.integer({ min: 0, max: 9 }).map(n => n === 0),
})

/** @param open a door with a cached route `plain` at this endpoint */
export function runUsers(door: string, runs: number, open: (endpoint: string) => Promise<CacheDoor>): void {
  test(`${door}: no user is given what another one's token is in`, async () => {
    let script: Asking | undefined
    const origin = await endpoint((request, response) => {
      request.resume()
      if (script?.isDown) return void response.writeHead(503).end('away')
      const user = String(request.headers['x-user'])
      const own = script?.mark === undefined ? undefined : marks[script.mark]!(user)
      const headers = own ?? { 'cache-control': 'public, max-age=600', etag: '"all"' }
      const isSame =
        request.headers['if-none-match'] !== undefined && request.headers['if-none-match'] === headers['etag']
      response.writeHead(isSame ? 304 : 200, { 'content-type': 'text/plain', ...headers })
      response.end(
        isSame || request.method === 'HEAD' ? undefined : own === undefined ? 'everybody' : `token of ${user}`,
      )
    })
    const at = await open(origin.address)
    let run = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 12 }), async steps => {
        run += 1
        for (const one of steps) {
          script = one
          const { user, path, method, asks } = one
          const headers = {
            'x-user': user,
            authorization: `Bearer ${user}`,
            cookie: `session=${user}`,
            'accept-encoding': 'identity',
            ...asks,
          }
          const got = await at.ask(`/plain/${run}${path}`, { method, headers })
          const said = `${String(got.body)} ${JSON.stringify(got.headers)}`
          const others = ['anna', 'bert', 'cleo'].filter(name => name !== user)
          for (const other of others)
            expect(said, `${JSON.stringify(one)} of ${JSON.stringify(steps)}`).not.toContain(other)
        }
      }),
      { numRuns: runs, seed: 47 },
    )
  }, 120_000)
}
