// Header hygiene through workerd, for headers drawn at random: what belongs to one connection stays on it, both ways; the
// rest arrives, and every Set-Cookie whole.

import { once } from 'node:events'
import http from 'node:http'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { type Endpoint, endpoint, type Lab, lab } from './lab.ts'

let edge: Lab
let app: Endpoint
let answering: readonly (readonly [name: string, value: string])[] = []

beforeAll(async () => {
  app = await endpoint((request, response) => {
    request.resume()
    // Raw, so that several of a name stay several.
    response.writeHead(200, answering.flat())
    response.end('ok')
  })
  edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: [app.address] } },
    routes: [{ name: 'app', pool: 'app' }],
  })
})

it('towards the endpoint', async () => {
  answering = []
  await fc.assert(
    fc.asyncProperty(plainFields, named, fc.subarray([...hopByHop]), async (plain, names, hops) => {
      const sent = [...plain, ...hops.map(name => [name, 'hop'] as const), ['connection', names.join(', ')] as const]
      await ask([['host', 'app.test'], ...sent])
      const came = pairs(app.requests.at(-1)!.rawHeaders)
      expect(came.filter(([name]) => isHop(name)).map(([name]) => name)).toEqual([])
      expect(foreign(came, plain)).toEqual(sorted(kept(plain, names)))
    }),
    { seed: 47, numRuns: 60 },
  )
})

it('towards the client', async () => {
  await fc.assert(
    fc.asyncProperty(plainFields, named, cookies, fc.subarray([...hopByHop]), async (plain, names, set, hops) => {
      answering = [
        ...plain,
        ...hops.map(name => [name, 'hop'] as const),
        ...set.map(value => ['set-cookie', value] as const),
        ['connection', [...names, 'set-cookie'].join(', ')],
      ]
      const response = await ask([['host', 'app.test']])
      const came = pairs(response.rawHeaders)
      expect(came.filter(([name]) => isHop(name) && name !== 'connection').map(([name]) => name)).toEqual([])
      expect(foreign(came, plain)).toEqual(sorted(kept(plain, names)))
      expect(response.headers['set-cookie'] ?? []).toEqual(set)
    }),
    { seed: 74, numRuns: 60 },
  )
})

/** `Trailer` stands in the list of hostile requests: Node writes none that nothing follows. */
const hopByHop = [
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'proxy-authenticate',
  'proxy-authentication-info',
  'te',
  'upgrade',
  'http2-settings',
] as const

// Few names, so that Connection often names one that is there.
const fieldName = fc.constantFrom('x-a', 'X-B', 'x-c', 'X-Long-Name', 'priority', 'x-d_e')
const value = fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/)
const plainFields = fc.uniqueArray(fc.tuple(fieldName, value), { selector: ([name]) => name, maxLength: 6 })
const named = fc.array(
  fc.oneof(fieldName, fc.constantFrom('X-A', 'keep-alive', 'te', 'host', 'cookie', '', 'x-forwarded-for')),
  { maxLength: 5 },
)
const cookies = fc.array(
  fc.stringMatching(/^[a-c]=[!-+.-:<-~]{0,12}(; Expires=Wed, 09 Jun 2027 10:18:14 GMT)?(; Path=\/)?$/),
  { maxLength: 4 },
)

async function ask(fields: readonly (readonly [string, string])[]): Promise<http.IncomingMessage> {
  const request = http.request({ host: '127.0.0.1', port: edge.port, headers: fields.flat() as never, agent: false })
  request.end()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response
}

function pairs(raw: readonly string[]): [name: string, value: string][] {
  return raw.flatMap((name, at) => (at % 2 ? [] : [[name.toLowerCase(), raw[at + 1]!] as [string, string]]))
}

function isHop(name: string): boolean {
  return name === 'connection' || (hopByHop as readonly string[]).includes(name)
}

/** Those that came of the names the property draws. */
function foreign(came: readonly (readonly [string, string])[], plain: readonly (readonly [string, string])[]) {
  const drawn = new Set(plain.map(([name]) => name.toLowerCase()))
  return sorted(came.filter(([name]) => drawn.has(name)))
}

function kept(plain: readonly (readonly [string, string])[], names: readonly string[]) {
  const gone = new Set(names.map(name => name.toLowerCase()))
  return plain.map(([name, value]) => [name.toLowerCase(), value] as const).filter(([name]) => !gone.has(name))
}

function sorted(fields: readonly (readonly [string, string])[]) {
  return [...fields].sort(([one], [other]) => (one < other ? -1 : 1))
}
