import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { bytesText, renderTop, type Sample, viewOf } from '../../cli/top-screen.ts'
import { folderWith, fourseven, startFourseven } from './command.ts'

const endpoint = {
  id: 'db/a',
  name: 'a',
  state: 'up',
  why: null,
  open: 1,
  weight: 1,
  priority: 0,
  rampedTo: 1,
  ejectedUntil: null,
  failuresInRow: 0,
  latencyMs: 0.4,
} as const

function sample(atMs: number, bytes: readonly number[]): Sample {
  const flows = bytes.map((bytesIn, id) => ({
    id,
    transport: 'tcp' as const,
    listener: 'door',
    clientAddress: '192.0.2.7',
    clientPort: 4000 + id,
    route: 'db',
    rule: '0',
    variant: 'db',
    endpoint: 'a',
    bytesIn,
    bytesOut: 0,
    ageMs: 1000,
  }))
  return {
    atMs,
    connections: bytes.length * 10,
    bytesIn: bytes.reduce((sum, each) => sum + each, 0),
    bytesOut: 0,
    flows: { total: bytes.length, flows, next: null },
    pools: [{ name: 'db', open: 1, waiting: 0, isPanic: false, endpoints: [endpoint] }],
    kernel: [],
  }
}

test('rates are what came between two looks, and the busiest flow stands first', () => {
  const view = viewOf(sample(3000, [100, 5000, 200]), sample(1000, [100, 1000]))
  expect(view.rates).toEqual({ connections: 5, bytesIn: 2100, bytesOut: 0 })
  expect(view.flows.map(({ id, bytesPerSecond }) => [id, bytesPerSecond])).toEqual([
    [1, 2000],
    [2, 100],
    [0, 0],
  ])
})

test('the screen fits the terminal, whatever its size', () => {
  const view = viewOf(sample(3000, Array(50).fill(7)), sample(1000, []))
  for (const columns of [10, 40, 200]) {
    for (const rows of [4, 10, 24]) {
      const lines = renderTop(view, { columns, rows })
      expect(lines.length).toBeLessThanOrEqual(rows)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns)
    }
  }
})

test('a session is told from a connection', () => {
  const seen = sample(1000, [1, 2])
  const [one, two] = seen.flows.flows
  const flows = [{ ...one!, transport: 'udp' as const, listener: 'dns' }, two!]
  const text = renderTop(viewOf({ ...seen, flows: { total: 2, flows, next: null } }, undefined), {
    columns: 200,
    rows: 20,
  })
  expect(
    text
      .filter(line => line.includes('192.0.2.7:400'))
      .map(line => /(dns \(udp\)|door) /.exec(line)?.[1])
      .sort(),
  ).toEqual(['dns (udp)', 'door'])
})

test('an address that a PROXY header brought cannot move the cursor', () => {
  const seen = sample(1000, [1])
  const flows = [{ ...seen.flows.flows[0]!, clientAddress: 'unix:\u001b[2J\u0007' }]
  const text = renderTop(viewOf({ ...seen, flows: { total: 1, flows, next: null } }, undefined), {
    columns: 200,
    rows: 20,
  })
  expect(text.join('')).not.toMatch(/\p{Cc}/u)
})

test('sizes are told in the unit that fits', () => {
  expect([0, 1023, 1024, 1536, 200 * 1024, 5 * 1024 ** 3].map(bytesText)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '200 KiB',
    '5.0 GiB',
  ])
})

test('top and explain speak of a running relay', async () => {
  const server = createServer(socket => socket.pipe(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port: end } = server.address() as { port: number }
  const config = {
    listeners: { db: { kind: 'tcp', address: '127.0.0.1:0', maxConnections: 100 } },
    pools: { db: { endpoints: [`tcp://127.0.0.1:${end}`, { address: 'tcp://127.0.0.1:1', name: 'spare' }] } },
    routes: [{ name: 'db', listener: 'db', pool: 'db' }],
  }
  const file = join(folderWith({ 'r.json': JSON.stringify(config) }), 'r.json')
  const { child, line } = startFourseven(['relay', file, '--json', '--operator', '127.0.0.1:0'])
  onTestFinished(() => void child.kill('SIGKILL'))
  const { port: door } = JSON.parse(await line(text => text.includes('"listening"')))
  const { port: operator } = JSON.parse(await line(text => text.includes('"operator_listening"')))
  const at = ['--operator', `127.0.0.1:${operator}`]
  const body = JSON.stringify({ endpoint: 'db/spare' })
  await fetch(`http://127.0.0.1:${operator}/drain`, { method: 'POST', body, headers: { 'sec-fetch-site': 'none' } })
  const socket = connect(door, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write('x')
  await once(socket, 'data')

  const seen = JSON.parse((await fourseven(['top', ...at, '--once', '--json', '--interval', '200ms'])).stdout)
  expect(seen).toMatchObject({
    open: 1,
    rates: { connections: 0, bytesIn: 0 },
    flows: [{ listener: 'db', clientPort: socket.localPort, endpoint: `tcp://127.0.0.1:${end}` }],
    pools: [
      {
        name: 'db',
        endpoints: [
          { state: 'up', open: 1 },
          { name: 'spare', state: 'draining' },
        ],
      },
    ],
  })
  expect((await fourseven(['top', ...at, '--once', '--interval', '100ms'])).stdout).toContain('1 open')
  expect(await fourseven(['top', ...at])).toMatchObject({ code: 3, stderr: expect.stringContaining('terminal') })
  expect(await fourseven(['top', '--operator', '127.0.0.1:1', '--once'])).toMatchObject({ code: 3 })

  const explained = await fourseven(['explain', 'tcp', '192.0.2.7:4000', ...at, '--json'])
  expect(JSON.parse(explained.stdout).pool).toMatchObject({
    order: [`tcp://127.0.0.1:${end}`],
    endpoints: [{ open: 1 }, { name: 'spare', leftOut: expect.stringContaining('draining') }],
  })
})
