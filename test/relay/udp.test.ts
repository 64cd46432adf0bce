import { describe, expect, onTestFinished, test } from 'vitest'
import { liveFlows } from '../../relay/live.ts'
import { openMetrics } from '../../relay/metrics.ts'
import { UdpSocket } from '../../relay/udp-socket.ts'
import { parse } from '../../shared/config/parse.ts'
import { closeSocket, udpClient, udpConfig, udpEndpoint, udpLab, udpLabOf, udpNamed, until } from './udp-lab.ts'

describe('a session', () => {
  test('stays on its endpoint, whatever others do', async () => {
    const [a, b] = [await udpNamed('a'), await udpNamed('b')]
    const { port } = await udpLab([a.port, b.port])
    const clients = await Promise.all(Array.from({ length: 10 }, () => udpClient(port)))
    const first = await Promise.all(clients.map(client => client.ask('1')))
    for (let round = 2; round < 5; round++) {
      const again = await Promise.all(clients.map(client => client.ask(String(round))))
      expect(again.map(text => text.split(':')[0])).toEqual(first.map(text => text.split(':')[0]))
    }
    expect(new Set(first.map(text => text.split(':')[0]))).toEqual(new Set(['a', 'b']))
  })

  test('has a socket of its own towards the endpoint', async () => {
    const a = await udpNamed('a')
    const { port, relay } = await udpLab([a.port])
    const [one, two] = [await udpClient(port), await udpClient(port)]
    await one.ask('1')
    await two.ask('2')
    await one.ask('3')
    const ports = a.heard.map(({ from }) => from.port)
    expect(ports[0]).toBe(ports[2])
    expect(ports[1]).not.toBe(ports[0])
    expect(relay.counts.get('door')!.open).toBe(2)
  })

  test('passes datagrams whole, from empty to 65,507 bytes', async () => {
    const a = await udpEndpoint(bytes => bytes)
    const { port } = await udpLab([a.port])
    const client = await udpClient(port)
    for (const length of [0, 1, 1200, 1473, 9000, 65_507]) {
      const bytes = Buffer.alloc(length, length % 251)
      const back = await client.ask(bytes)
      expect(back.length).toBe(length)
      expect(back).toBe(bytes.toString('latin1'))
    }
  })

  test('leaves one record with its bytes, datagrams and end', async () => {
    const a = await udpNamed('a')
    const { port, recorded } = await udpLab([a.port], { route: { timeouts: { idle: '300ms' } } })
    const client = await udpClient(port)
    await client.ask('12345')
    await client.ask('1')
    const [record] = await recorded(1)
    expect(record).toMatchObject({
      listener: 'door',
      route: 'route',
      rule: '0',
      variant: 'pool',
      endpoint: 'e0',
      attempts: [{ endpoint: 'e0', outcome: 'connected' }],
      reason: 'idle_timeout',
      bytesIn: 6,
      bytesOut: 10,
      datagramsIn: 2,
      datagramsOut: 2,
      clientAddress: '127.0.0.1',
      clientPort: client.port,
    })
  })

  test('is not idle while only the endpoint sends', async () => {
    const a = await udpEndpoint(() => 'hello')
    const { port, relay, records } = await udpLab([a.port], { route: { timeouts: { idle: '700ms' } } })
    const client = await udpClient(port)
    await client.ask('hi')
    const { from } = a.heard[0]!
    for (let beat = 0; beat < 12; beat++) {
      a.socket.send('tick', from.port, from.address)
      await new Promise(later => setTimeout(later, 120))
    }
    expect(records).toEqual([])
    expect(relay.counts.get('door')!.open).toBe(1)
    await until(() => records.length === 1)
    expect(client.heard.filter(text => text === 'tick')).toHaveLength(12)
  })
})

describe('counts of a rule', () => {
  test('end a session with its answer', async () => {
    const a = await udpNamed('a')
    const { port, recorded, relay } = await udpLab([a.port], { route: { session: { requests: 1, responses: 1 } } })
    const client = await udpClient(port)
    await client.ask('1')
    await client.ask('2')
    const records = await recorded(2)
    expect(records.map(({ reason, datagramsIn, datagramsOut }) => [reason, datagramsIn, datagramsOut])).toEqual([
      ['done', 1, 1],
      ['done', 1, 1],
    ])
    expect(relay.counts.get('door')!.open).toBe(0)
    expect(a.heard[0]!.from.port).not.toBe(a.heard[1]!.from.port)
  })

  test('begin another session with the next request, and answers to the one before still come', async () => {
    const held: (() => void)[] = []
    const a = await udpEndpoint((bytes, from) => {
      held.push(() => a.socket.send(`late ${bytes}`, from.port, from.address))
      return undefined
    })
    const { port, recorded } = await udpLab([a.port], { route: { session: { requests: 1, responses: 1 } } })
    const client = await udpClient(port)
    client.send('1')
    client.send('2')
    await until(() => held.length === 2)
    for (const answer of held.reverse()) answer()
    await recorded(2)
    await until(() => client.heard.length === 2)
    expect(client.heard.toSorted()).toEqual(['late 1', 'late 2'])
  })

  test('of no answers end it with the request', async () => {
    const [a, b] = [await udpEndpoint(() => undefined), await udpEndpoint(() => undefined)]
    const { port, recorded } = await udpLab([a.port, b.port], { route: { session: { responses: 0 } } })
    const client = await udpClient(port)
    for (let line = 0; line < 10; line++) client.send(`line ${line}`)
    const records = await recorded(10)
    expect(records.every(({ reason }) => reason === 'done')).toBe(true)
    await until(() => a.heard.length + b.heard.length === 10)
    expect(a.heard).toHaveLength(5)
  })
})

describe('an endpoint that is gone', () => {
  test('loses its sessions to the others, and nobody else moves', async () => {
    const endpoints = await Promise.all(['a', 'b', 'c', 'd'].map(udpNamed))
    const { port, relay } = await udpLab(endpoints.map(({ port }) => port))
    const clients = await Promise.all(Array.from({ length: 40 }, () => udpClient(port)))
    const before = await Promise.all(clients.map(client => client.ask('1')))
    closeSocket(endpoints[1]!.socket)
    const lost = clients.filter((_, at) => before[at]!.startsWith('b'))
    expect(lost).toHaveLength(10)
    // What ICMP says of the first datagram moves the session with the second.
    await Promise.all(
      lost.map(async client => {
        while (client.heard.length < 2) {
          client.send('2')
          await new Promise(later => setTimeout(later, 20))
        }
      }),
    )
    const after = await Promise.all(clients.map(client => client.ask('3')))
    for (const [at, text] of after.entries()) {
      if (before[at]!.startsWith('b')) expect(text).not.toMatch(/^b/)
      else expect(text[0]).toBe(before[at]![0])
    }
    expect(relay.counts.get('door')!.moved).toBe(10)
  })

  test('refuses the first datagram of a session: that goes to another endpoint at once, with its PROXY header', async () => {
    const a = await udpNamed('a')
    const gone = await Promise.all([1, 2].map(() => udpEndpoint(() => undefined)))
    for (const { socket } of gone) closeSocket(socket)
    const ports = [...gone.map(({ port }) => port), a.port]
    const { port, relay } = await udpLab(ports, {
      pool: { sendProxy: 2 },
      route: { session: { requests: 1, responses: 1 } },
    })
    const clients = await Promise.all(Array.from({ length: 9 }, () => udpClient(port)))
    // Each says it once.
    for (const client of clients) expect((await client.ask('1')).slice(-2)).toMatch(/.1$/)
    expect(a.heard).toHaveLength(9)
    for (const { bytes } of a.heard) expect(bytes.length).toBe(28 + 1)
    expect(relay.counts.get('door')!.moved).toBeGreaterThanOrEqual(6)
  })

  test('is a failure that ejects it, and sessions that have not tried it yet move too', async () => {
    const [a, b] = [await udpNamed('a'), await udpNamed('b')]
    const { port, relay } = await udpLab([a.port, b.port], { pool: { outlier: { consecutiveFailures: 3 } } })
    const clients = await Promise.all(Array.from({ length: 12 }, () => udpClient(port)))
    const before = await Promise.all(clients.map(client => client.ask('1')))
    closeSocket(b.socket)
    const lost = clients.filter((_, at) => before[at]!.startsWith('b'))
    for (const client of lost.slice(0, 3)) client.send('2')
    const { plane } = relay
    const { slot } = plane.table.pools[0]!.endpoints[1]!
    await until(() => plane.observed.ejectedUntil[slot]! > Date.now())
    expect(await Promise.all(lost.slice(3).map(client => client.ask('3')))).toEqual(lost.slice(3).map(() => 'a:3'))
  })

  test('in silence, where the rule counts on answers, is ejected by real traffic', async () => {
    const [a, silent] = [await udpNamed('a'), await udpEndpoint(() => undefined)]
    const { port, relay } = await udpLab([a.port, silent.port], {
      pool: { outlier: { consecutiveFailures: 3 } },
      route: { session: { requests: 1, responses: 1 }, timeouts: { idle: '200ms' } },
    })
    const { plane } = relay
    const { slot } = plane.table.pools[0]!.endpoints[1]!
    const clients = await Promise.all(Array.from({ length: 6 }, () => udpClient(port)))
    for (const client of clients) client.send('1')
    await until(() => plane.observed.ejectedUntil[slot]! > Date.now())
    const heard = silent.heard.length
    for (const client of clients) expect(await client.ask('2')).toBe('a:2')
    expect(silent.heard).toHaveLength(heard)
  })

  test('and was the only one: datagrams go on to it, and it is found again', async () => {
    const a = await udpNamed('a')
    const { port } = await udpLab([a.port])
    const client = await udpClient(port)
    await client.ask('1')
    closeSocket(a.socket)
    for (let left = 5; left > 0; left--) {
      client.send('lost')
      await new Promise(later => setTimeout(later, 10))
    }
    const again = await udpEndpoint(bytes => `again:${bytes}`, a.port)
    await until(() => {
      if (client.heard.length < 2) client.send('2')
      return client.heard.includes('again:2')
    })
    expect(new Set(again.heard.map(({ from }) => from.port)).size).toBe(1)
  })

  test('that refuses the first datagram is told in the record', async () => {
    const a = await udpNamed('a')
    const gone = await udpEndpoint(() => undefined)
    closeSocket(gone.socket)
    const { port, recorded } = await udpLab([gone.port, a.port], {
      pool: { balance: 'round-robin' },
      route: { timeouts: { idle: '400ms' } },
    })
    const clients = [await udpClient(port), await udpClient(port)]
    for (const client of clients) {
      await until(() => {
        if (client.heard.length === 0) client.send('hi')
        return client.heard.length > 0
      })
    }
    const records = await recorded(2)
    const moved = records.find(({ attempts }) => attempts.length === 2)!
    expect(moved.attempts).toMatchObject([
      { endpoint: 'e0', outcome: 'connection_refused' },
      { endpoint: 'e1', outcome: 'connected' },
    ])
    expect(moved.endpoint).toBe('e1')
  })
})

describe('limits', () => {
  test('the session idle for longest makes room, and active ones never do', async () => {
    const a = await udpNamed('a')
    let shift = 0
    const { relay, port, records } = await udpLabOf(udpConfig([a.port], { listener: { maxSessions: 3 } }))
    const clients = await Promise.all(Array.from({ length: 3 }, () => udpClient(port)))
    for (const client of clients) await client.ask('1')
    const late = await udpClient(port)
    for (shift = 0; shift < 20; shift++) late.send('flood')
    await until(() => (relay.counts.get('door')!.dropped.session_limit ?? 0) >= 20)
    expect(relay.counts.get('door')!.open).toBe(3)
    await until(() => records.length > 0)
    expect(records[0]).toMatchObject({ reason: 'session_limit', endpoint: null, clientPort: late.port })
    expect(records.reduce((sum, { datagramsIn }) => sum + datagramsIn!, 0)).toBe(20)
    // The first of the three says no more; the others go on.
    const started = performance.now()
    while (performance.now() - started < 5_600) {
      await clients[1]!.ask('2')
      await clients[2]!.ask('2')
      await new Promise(later => setTimeout(later, 300))
    }
    expect(await late.ask('now')).toBe('a:now')
    expect(records.at(-1)).toMatchObject({ reason: 'session_evicted', clientPort: clients[0]!.port })
    expect(await clients[1]!.ask('3')).toBe('a:3')
    expect(relay.counts.get('door')!.open).toBe(3)
  }, 20_000)

  test('so many sessions of one address, so many a second, and only from where the listener says', async () => {
    const a = await udpNamed('a')
    const perAddress = await udpLab([a.port], { listener: { maxSessionsPerAddress: 1 } })
    const [one, two] = [await udpClient(perAddress.port), await udpClient(perAddress.port)]
    const other = await udpClient(perAddress.port, '127.0.0.2')
    await one.ask('1')
    two.send('1')
    expect(await other.ask('1')).toBe('a:1')
    await until(() => perAddress.relay.counts.get('door')!.dropped.address_limit === 1)

    const paced = await udpLab([a.port], { listener: { sessionRate: 2 } })
    const clients = await Promise.all(Array.from({ length: 5 }, () => udpClient(paced.port)))
    for (const client of clients) client.send('1')
    await until(() => (paced.relay.counts.get('door')!.dropped.accept_rate ?? 0) >= 2)

    const denying = await udpLab([a.port], { listener: { deny: ['127.0.0.2/32'] } })
    const denied = await udpClient(denying.port, '127.0.0.2')
    denied.send('1')
    await until(() => denying.relay.counts.get('door')!.dropped.address_denied === 1)
    expect(await (await udpClient(denying.port)).ask('1')).toBe('a:1')
  })

  test('of the pool hold, and the place of a session that ends is free again', async () => {
    const a = await udpNamed('a')
    const { port, relay } = await udpLab([a.port], {
      pool: { limits: { maxRequests: 1 } },
      route: { timeouts: { idle: '300ms' } },
    })
    const [one, two] = [await udpClient(port), await udpClient(port)]
    await one.ask('1')
    two.send('1')
    await until(() => relay.counts.get('door')!.dropped.connection_limit_reached === 1)
    await until(() => relay.counts.get('door')!.open === 0)
    expect(await two.ask('2')).toBe('a:2')
  })
})

describe('stopping', () => {
  test('takes no new session, lets the open ones go on, and ends them when the time is up', async () => {
    const a = await udpNamed('a')
    const { port, relay, records } = await udpLab([a.port])
    const [one, two] = [await udpClient(port), await udpClient(port)]
    await one.ask('1')
    const stopped = relay.stop({ drainMs: 1_500 })
    expect(await one.ask('2')).toBe('a:2')
    two.send('no')
    await stopped
    expect(two.heard).toEqual([])
    expect(records.map(({ reason, datagramsIn }) => [reason, datagramsIn])).toContainEqual(['drained', 2])
    expect(records.map(({ reason, clientPort }) => [reason, clientPort])).toContainEqual(['drained', two.port])
  })
})

test('key address: all ports of a client are one session, and answers go where it sent from last', async () => {
  const a = await udpNamed('a')
  const { port, relay } = await udpLab([a.port], { listener: { key: 'address' } })
  const [one, two] = [await udpClient(port), await udpClient(port)]
  await one.ask('1')
  expect(await two.ask('2')).toBe('a:2')
  expect(relay.counts.get('door')!.open).toBe(1)
  expect(new Set(a.heard.map(({ from }) => from.port)).size).toBe(1)
})

test('a listener on all addresses of both families serves clients of IPv4 by their own address', async () => {
  const a = await udpNamed('a')
  const { port, recorded } = await udpLab([a.port], {
    listener: { address: '[::]:0', allow: ['127.0.0.0/8'] },
    route: { timeouts: { idle: '300ms' } },
  })
  const client = await udpClient(port)
  expect(await client.ask('1')).toBe('a:1')
  expect((await recorded(1))[0]).toMatchObject({ clientAddress: '127.0.0.1', clientPort: client.port })
})

test('a name that resolves to another address takes its sessions along', async () => {
  const one = await udpNamed('one')
  const two = await udpEndpoint(bytes => `two:${bytes}`, one.port, '127.0.0.2')
  let ips = ['127.0.0.1']
  const { config } = parse({
    listeners: { door: { kind: 'udp', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: [`udp://game.test:${one.port}`] } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  })
  const resolveName = async () => ({ ips, ttlMs: 100 })
  const { port, relay } = await udpLabOf(config, { resolveName })
  const client = await udpClient(port)
  expect(await client.ask('1')).toBe('one:1')
  ips = ['127.0.0.2']
  await until(() => relay.plane.table.pools[0]!.endpoints[0]!.address.ip === '127.0.0.2')
  expect(await client.ask('2')).toBe('two:2')
  expect(two.heard).toHaveLength(1)
  expect(relay.counts.get('door')!.open).toBe(1)
})

test('sessions are among the live flows, with what they have passed on', async () => {
  const a = await udpNamed('a')
  const { port, relay } = await udpLab([a.port])
  const client = await udpClient(port)
  await client.ask('12345')
  expect(liveFlows(relay.plane, 0, 10)).toMatchObject({
    total: 1,
    flows: [{ transport: 'udp', listener: 'door', clientPort: client.port, endpoint: 'e0', bytesIn: 5, bytesOut: 7 }],
  })
  const metrics = openMetrics()
  metrics.watch(relay)
  const text = await metrics.text()
  expect(text).toContain('fourseven_sessions_open{listener="door"} 1')
  expect(text).toContain('fourseven_datagrams_total{direction="in"} 1')
  expect(text).not.toContain('fourseven_connections_open{')
})

test('an endpoint may be at an address of IPv6', async () => {
  const six = new UdpSocket(6)
  six.bind('::1', 0)
  six.onDatagram = (bytes, address, port) => six.sendTo(Buffer.concat([Buffer.from('six:'), bytes]), address, port)
  six.listen()
  onTestFinished(() => six.close())
  const { config } = parse({
    listeners: { door: { kind: 'udp', address: '127.0.0.1:0' } },
    pools: { pool: { endpoints: [`udp://[::1]:${six.local().port}`] } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  })
  const { port } = await udpLabOf(config)
  expect(await (await udpClient(port)).ask('1')).toBe('six:1')
})

test('sessions of a rule that left end when they are idle, also when the listener has no rule any more', async () => {
  const a = await udpNamed('a')
  const { port, relay, recorded } = await udpLab([a.port], { route: { timeouts: { idle: '500ms' } } })
  const client = await udpClient(port)
  await client.ask('1')
  await relay.reload({ ...udpConfig([a.port]), routes: [], pools: [] }, {})
  expect((await recorded(1))[0]).toMatchObject({ reason: 'idle_timeout', clientPort: client.port })
  expect(relay.plane.flows.size).toBe(0)
})
