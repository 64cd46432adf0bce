import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { askHttp, askTcp, type Place } from '../../cli/ask.ts'
import { authority } from '../support/certificates.ts'
import { folderWith, fourseven, startFourseven } from './command.ts'

const BOTH_YAML = `listeners:
  web: { kind: edge }
  echo: { kind: tcp, address: '127.0.0.1:0' }
pools:
  app: { endpoints: ['\${APP}'] }
  echo: { endpoints: ['\${ECHO}'] }
routes:
  - { name: app, pool: app }
  - { name: echo, listener: echo, pool: echo }
`
const RELAY_YAML = `listeners:
  echo: { kind: tcp, address: '127.0.0.1:0' }
pools:
  echo: { endpoints: ['\${ECHO}'] }
routes:
  - { name: echo, listener: echo, pool: echo }
`
const EDGE_YAML = `listeners:
  web: { kind: edge }
pools: {}
routes:
  - { name: hello, reply: { status: 200, body: hello } }
`

const MANY_YAML = `listeners:
  shop: { kind: edge, hostnames: [shop.example.com, '*.shop.example.com'] }
  rest: { kind: edge }
  mq: { kind: tcp, address: '127.0.0.1:0' }
  tls: { kind: tls, address: '127.0.0.1:0' }
  dns: { kind: udp, address: '127.0.0.1:0' }
  near: { kind: http, address: '127.0.0.1:0', hostnames: [near.example.com] }
pools:
  mq: { endpoints: ['tcp://127.0.0.1:9'] }
  dns: { endpoints: ['udp://127.0.0.1:9'] }
routes:
  - { name: shop, listener: shop, reply: { status: 200, body: shop } }
  - { name: rest, listener: rest, reply: { status: 200, body: rest } }
  - { name: mq, listener: [mq, tls], pool: mq }
  - { name: dns, listener: dns, pool: dns }
  - { name: near, listener: near, reply: { status: 200, body: near } }
`

const HTTP_YAML = `listeners:
  web: { kind: edge }
  near: { kind: http, address: '127.0.0.1:0' }
  safe: { kind: http, address: '127.0.0.1:0', hostnames: [safe.example.com], certificates: [{ cert: \${CERT}, key: \${KEY} }] }
pools:
  app: { endpoints: ['\${APP}'] }
  calls: { endpoints: ['\${CALLS}'] }
routes:
  - { name: calls, listener: near, match: { path: /calls }, pool: calls }
  - { name: app, listener: [web, near, safe], pool: app }
`

interface Listening {
  readonly listening: readonly { readonly plane: string; readonly name: string; readonly address: string }[]
}

describe('fourseven dev CONFIG', () => {
  test('serves edge and relay, writes records, and ends on Ctrl-C with no process left', async () => {
    const app = await listenOn(http.createServer((request, response) => response.end(`app saw ${request.url}`)))
    const echo = await listenOn(net.createServer({ allowHalfOpen: true }, socket => socket.pipe(socket)))
    const cwd = folderWith({ 'routes.yaml': BOTH_YAML })
    const variables = ['--var', `APP=http://127.0.0.1:${app}`, '--var', `ECHO=tcp://127.0.0.1:${echo}`]
    const running = startFourseven(['dev', 'routes.yaml', '--edge', '127.0.0.1:0', '--json', ...variables], { cwd })
    const { listening } = JSON.parse(await running.line(line => line.includes('listening'))) as Listening
    expect(listening.map(({ plane, name }) => `${plane} ${name}`)).toEqual(['edge web', 'relay echo'])

    const signal = AbortSignal.timeout(10_000)
    const [edge, relay] = listening.map(({ address }) => placeOf(address))
    const answer = await askHttp(edge!, { host: 'any.example.com', path: '/x?y=1' }, signal)
    expect(answer.body.toString()).toBe('app saw /x?y=1')
    const bytes = Buffer.from('hello')
    expect(await askTcp(relay!, bytes, 'half-close', signal)).toEqual(bytes)

    const request = JSON.parse(await running.line(line => line.includes('"status":200')))
    expect(request).toMatchObject({ route: 'app', status: 200 })
    const flow = JSON.parse(await running.line(line => line.includes('"bytesIn":5')))
    expect(flow).toMatchObject({ route: 'echo', bytesIn: 5, bytesOut: 5 })

    const family = descendants(running.child.pid!)
    expect(family.length).toBeGreaterThan(0)
    running.child.kill('SIGINT')
    expect((await running.ended).code).toBe(0)
    expect(family.filter(isAlive)).toEqual([])
  })

  test('serves http listeners beside the edge, over HTTP/1.1, HTTP/2 and TLS', async () => {
    const app = await listenOn(
      http.createServer((request, response) => response.end(`app saw ${request.headers.host}${request.url}`)),
    )
    const calls = await listenOn(http2.createServer((request, response) => response.end(`calls saw ${request.url}`)))
    const { cert, key } = authority().sign('safe.example.com')
    const cwd = folderWith({ 'routes.yaml': HTTP_YAML.replace('${CERT}', cert).replace('${KEY}', key) })
    const variables = ['--var', `APP=http://127.0.0.1:${app}`, '--var', `CALLS=grpc://127.0.0.1:${calls}`]
    const running = startFourseven(['dev', 'routes.yaml', '--edge', '127.0.0.1:0', '--json', ...variables], { cwd })
    const { listening } = JSON.parse(await running.line(line => line.includes('listening'))) as Listening
    expect(listening.map(({ plane, name }) => `${plane} ${name}`)).toEqual(['edge web', 'relay near', 'relay safe'])
    const [edge, near, safe] = listening.map(({ address }) => placeOf(address))
    const signal = AbortSignal.timeout(10_000)
    for (const [place, host] of [
      [edge!, `127.0.0.1:${app}`],
      // Only the relay's door can pass the client's host on.
      [near!, 'app.example.com'],
    ] as const) {
      const { body } = await askHttp(place, { host: 'app.example.com', path: '/x?y=1' }, signal)
      expect(body.toString()).toBe(`app saw ${host}/x?y=1`)
    }
    const clear = { ':authority': 'app.example.com' }
    expect(await askHttp2(`http://127.0.0.1:${near!.port}`, { ...clear, ':path': '/x' })).toBe(
      'app saw app.example.com/x',
    )
    expect(await askHttp2(`http://127.0.0.1:${near!.port}`, { ...clear, ':path': '/calls' })).toBe('calls saw /calls')
    const secret = { ':authority': 'safe.example.com', ':path': '/x' }
    expect(await askHttp2(`https://127.0.0.1:${safe!.port}`, secret)).toBe('app saw safe.example.com/x')

    const record = JSON.parse(await running.line(line => line.includes('"route":"calls"')))
    expect(record).toMatchObject({ door: 'http', listener: 'near', status: 200, protocol: 'HTTP/2' })
    running.child.kill('SIGINT')
    expect((await running.ended).code).toBe(0)
  })

  test('runs other Workers beside the edge, for endpoints that are bindings', async () => {
    const cwd = folderWith({
      'routes.yaml':
        "listeners: { web: { kind: edge } }\npools: { shop: { endpoints: ['binding:SHOP'] } }\nroutes: [{ name: all, pool: shop }]\n",
      'name.ts': "export const name: string = 'the shop'",
      'shop.ts':
        "import { name } from './name.ts'\nexport default { fetch: (request: Request) => new Response(name + ' saw ' + request.url) }",
    })
    const args = ['dev', 'routes.yaml', '--edge', '127.0.0.1:0', '--json', '--service', 'SHOP=shop.ts']
    const running = startFourseven(args, { cwd })
    const { listening } = JSON.parse(await running.line(line => line.includes('listening'))) as Listening
    const edge = placeOf(listening[0]!.address)
    const answer = await askHttp(edge, { host: 'shop.example.com', path: '/x' }, AbortSignal.timeout(10_000))
    expect(answer.body.toString()).toBe('the shop saw http://shop.example.com/x')
    running.child.kill('SIGINT')
    expect((await running.ended).code).toBe(0)

    const missing = await fourseven([...args.slice(0, -1), 'SHOP=nowhere.ts'], { cwd })
    expect(missing.stderr).toContain('nowhere.ts cannot be bundled')
    expect(missing.code).toBe(3)
  })

  test('runs the relay alone when there is no edge listener', async () => {
    const cwd = folderWith({ 'routes.yaml': RELAY_YAML })
    const running = startFourseven(['dev', 'routes.yaml', '--json', '--var', 'ECHO=tcp://127.0.0.1:9'], { cwd })
    const { listening } = JSON.parse(await running.line(line => line.includes('listening'))) as Listening
    expect(listening.map(({ plane }) => plane)).toEqual(['relay'])
    expect(descendants(running.child.pid!)).toEqual([])
    running.child.kill('SIGTERM')
    expect((await running.ended).code).toBe(0)
  })

  test('runs the edge alone when there is no tcp listener, and says so to people', async () => {
    const cwd = folderWith({ 'routes.yaml': EDGE_YAML })
    const running = startFourseven(['dev', 'routes.yaml', '--edge', '127.0.0.1:0'], { cwd })
    await running.line(line => line.includes('Ctrl-C ends everything'))
    const address = /http:\/\/[\d.]+:\d+/.exec(await running.line(line => line.includes('any host')))![0]
    const answer = await askHttp(placeOf(address), { host: 'h.example.com', path: '/' }, AbortSignal.timeout(10_000))
    expect(answer.body.toString()).toBe('hello')
    expect(await running.line(line => line.includes('200'))).toMatch(/GET .*\/.* hello/)
    running.child.kill('SIGINT')
    expect((await running.ended).code).toBe(0)
  })

  test('a port of the relay in use is named, with exit code 3 and nothing left running', async () => {
    const port = await listenOn(net.createServer())
    const yaml = BOTH_YAML.replace('127.0.0.1:0', `127.0.0.1:${port}`)
    const cwd = folderWith({ 'routes.yaml': yaml })
    const variables = ['--var', 'APP=http://127.0.0.1:9', '--var', 'ECHO=tcp://127.0.0.1:9']
    const { code, stderr } = await fourseven(['dev', 'routes.yaml', '--edge', '127.0.0.1:0', ...variables], { cwd })
    expect(stderr).toContain(`127.0.0.1:${port}`)
    expect(code).toBe(3)
  })

  test('of two listeners that cannot listen both are named, each with its mend', async () => {
    const port = await listenOn(net.createServer())
    const yaml = BOTH_YAML.replace('127.0.0.1:0', `127.0.0.1:${port}`).replace(
      'pools:',
      "  far: { kind: tcp, address: '192.0.2.1:7' }\npools:",
    )
    const cwd = folderWith({ 'routes.yaml': yaml.replace('listener: echo', 'listener: [echo, far]') })
    const variables = ['--var', 'APP=http://127.0.0.1:9', '--var', 'ECHO=tcp://127.0.0.1:9']
    const { code, stderr } = await fourseven(['dev', 'routes.yaml', '--edge', '127.0.0.1:0', ...variables], { cwd })
    const [, problems, mends] = /cannot run: (.*)\n {2}mend: (.*)/.exec(stderr)!
    expect(problems).toMatch(/127\.0\.0\.1:\d+.*; .*192\.0\.2\.1:7/)
    expect(mends).toMatch(/\bport\b.*\baddress\b/)
    expect(code).toBe(3)
  })

  test('a port of the edge in use is named, with exit code 3', async () => {
    const port = await listenOn(net.createServer())
    const cwd = folderWith({ 'routes.yaml': EDGE_YAML })
    const { code, stderr } = await fourseven(['dev', 'routes.yaml', '--edge', `127.0.0.1:${port}`], { cwd })
    expect(stderr).toContain(`127.0.0.1:${port}`)
    expect(code).toBe(3)
  })

  test('an address of the edge that is none of this machine is named, with exit code 3', async () => {
    const cwd = folderWith({ 'routes.yaml': EDGE_YAML })
    const { code, stderr } = await fourseven(['dev', 'routes.yaml', '--edge', '192.0.2.1:8080'], { cwd })
    expect(stderr).toContain('the edge cannot listen on 192.0.2.1:8080: it is not an address of this machine')
    expect(code).toBe(3)
  })

  test('every listener has a line, by its name, kind and address, and the host decides among those of the edge', async () => {
    const cwd = folderWith({ 'routes.yaml': MANY_YAML })
    const running = startFourseven(['dev', 'routes.yaml', '--edge', '127.0.0.1:0', '--json', '--quiet'], { cwd })
    const { listening } = JSON.parse(await running.line(line => line.includes('listening'))) as Listening
    expect(listening).toMatchObject([
      { plane: 'edge', name: 'shop', kind: 'edge', hosts: 'shop.example.com, *.shop.example.com' },
      { plane: 'edge', name: 'rest', kind: 'edge', hosts: 'any host' },
      { plane: 'relay', name: 'mq', kind: 'tcp', address: expect.stringMatching(/^tcp:/) },
      { plane: 'relay', name: 'tls', kind: 'tls', address: expect.stringMatching(/^tls:/) },
      { plane: 'relay', name: 'dns', kind: 'udp', address: expect.stringMatching(/^udp:/) },
      {
        plane: 'relay',
        name: 'near',
        kind: 'http',
        address: expect.stringMatching(/^http:/),
        hosts: 'near.example.com',
      },
    ])
    const near = await askHttp(
      placeOf(listening[5]!.address),
      { host: 'near.example.com', path: '/' },
      AbortSignal.timeout(10_000),
    )
    expect(near.body.toString()).toBe('near')
    const edge = placeOf(listening[0]!.address)
    expect(placeOf(listening[1]!.address)).toEqual(edge)
    for (const [host, said] of [
      ['shop.example.com', 'shop'],
      ['de.shop.example.com', 'shop'],
      ['www.example.com', 'rest'],
    ] as const) {
      const answer = await askHttp(edge, { host, path: '/' }, AbortSignal.timeout(10_000))
      expect(answer.body.toString(), host).toBe(said)
    }
    running.child.kill('SIGINT')
    expect((await running.ended).code).toBe(0)
  })

  test('a bad config starts nothing and exits 1', async () => {
    const cwd = folderWith({ 'routes.yaml': EDGE_YAML.replace('reply:', 'rply:') })
    const { code, stderr } = await fourseven(['dev', 'routes.yaml'], { cwd })
    expect(stderr).toMatch(/error {3}routes\.yaml:5 routes\[0\]\.rply/)
    expect(stderr).toContain('nothing was started')
    expect(code).toBe(1)
  })
})

/** Listens on a free port of loopback until the test is over. */
async function listenOn(server: http.Server | net.Server): Promise<number> {
  const sockets = new Set<net.Socket>()
  server.on('connection', (socket: net.Socket) => sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as net.AddressInfo).port
}

function placeOf(address: string): Place {
  const [, host, port] = /^\w+:\/\/([\d.]+):(\d+)$/.exec(address)!
  return { host: host!, port: Number(port) }
}

/** The body of one answer over HTTP/2. */
async function askHttp2(url: string, headers: http2.OutgoingHttpHeaders): Promise<string> {
  const session = http2.connect(url, { rejectUnauthorized: false, servername: 'safe.example.com' })
  const closed = once(session, 'close')
  let body = ''
  for await (const chunk of session.request(headers)) body += chunk
  session.close()
  await closed
  return body
}

/** Children, their children, …, from /proc. */
function descendants(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        return [
          {
            pid: Number(name),
            parent: Number(readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]!.split(' ')[1]),
          },
        ]
      } catch {
        return []
      }
    })
  const below = (of: number): number[] =>
    parents.filter(({ parent }) => parent === of).flatMap(child => [child.pid, ...below(child.pid)])
  return below(pid)
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
