// TCPRoutes and UDPRoutes end to end: import, the running relay, connections and datagrams, which endpoint answered.

import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { run, teller } from './lab.ts'
import { file, gateway, imported, route, said, service, to } from './manifests.ts'

const closing: (() => unknown)[] = []
afterAll(() => Promise.all(closing.map(close => close())))

/** What a connection hears until it is closed; empty when it is refused. */
function heard(port: number): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('error', () => resolve(text))
    socket.on('close', () => resolve(text))
  })
}

async function heardTimes(port: number, times: number): Promise<Record<string, number>> {
  const found: Record<string, number> = {}
  for (let i = 0; i < times; i++) {
    const name = (await heard(port)) || 'refused'
    found[name] = (found[name] ?? 0) + 1
  }
  return found
}

const services = [service('one'), service('two')]
const sql = { name: 'sql', port: 5432, protocol: 'TCP' }
const both = async () => ({ 'default/one:8080': [await teller('one')], 'default/two:8080': [await teller('two')] })

describe('a TCPRoute', () => {
  test('goes to its backend, over all listeners of the Gateway or those of a section or port', async () => {
    const at = (parent: object, name: string, backend: string) =>
      route('TCPRoute', { backendRefs: [to(backend)] }, { parentRefs: [{ name: 'web', ...parent }] }, { name })
    const running = await run(
      [
        ...services,
        gateway([sql, { ...sql, name: 'more', port: 5433 }]),
        at({ sectionName: 'sql' }, 'a', 'one'),
        at({ port: 5433, sectionName: 'more' }, 'b', 'two'),
      ],
      { endpoints: await both() },
    )
    expect(await heard(running.portOf('web:sql'))).toBe('one')
    expect(await heard(running.portOf('web:more'))).toBe('two')
    const all = await run([...services, gateway([sql, { ...sql, name: 'more', port: 5433 }]), at({}, 'a', 'one')], {
      endpoints: await both(),
    })
    for (const name of ['web:sql', 'web:more']) expect(await heard(all.portOf(name))).toBe('one')
  })

  test('shares connections of one client by weight', async () => {
    const running = await run(
      [
        ...services,
        gateway([sql]),
        route('TCPRoute', { backendRefs: [to('one', { weight: 7 }), to('two', { weight: 3 })] }),
      ],
      { endpoints: await both() },
    )
    const found = await heardTimes(running.portOf('web:sql'), 200)
    expect(found['one']! + found['two']!).toBe(200)
    expect(Math.abs(found['one']! - 140)).toBeLessThan(33)
  })

  test('refuses the share of a backend that is not there, and all when none is', async () => {
    const running = await run(
      [
        ...services,
        gateway([sql, { ...sql, name: 'none', port: 5433 }]),
        route(
          'TCPRoute',
          { backendRefs: [to('one'), to('gone')] },
          { parentRefs: [{ name: 'web', sectionName: 'sql' }] },
          { name: 'a' },
        ),
        route(
          'TCPRoute',
          { backendRefs: [to('gone')] },
          { parentRefs: [{ name: 'web', sectionName: 'none' }] },
          { name: 'b' },
        ),
      ],
      { endpoints: await both() },
    )
    const found = await heardTimes(running.portOf('web:sql'), 100)
    expect(found['one']! + found['refused']!).toBe(100)
    expect(Math.abs(found['one']! - 50)).toBeLessThan(26)
    expect(await heardTimes(running.portOf('web:none'), 5)).toEqual({ refused: 5 })
  })

  test('of several on one listener the oldest takes every connection, and the others are listed', async () => {
    const of = (name: string, created: string, backend: string) =>
      route('TCPRoute', { backendRefs: [to(backend)] }, {}, { name, creationTimestamp: created })
    const objects = [
      ...services,
      gateway([sql]),
      of('a', '2026-02-01T00:00:00Z', 'two'),
      of('b', '2026-01-01T00:00:00Z', 'one'),
    ]
    const running = await run(objects, { endpoints: await both() })
    expect(await heardTimes(running.portOf('web:sql'), 5)).toEqual({ one: 5 })
    expect(said(imported(file(...objects), { isEdge: false }))).toEqual([
      expect.stringMatching(/^warning \d+ older-route$/),
    ])
  })

  test('beside HTTP on one port conflicts', () => {
    const { config } = imported(file(gateway([sql, { name: 'http', port: 5432, protocol: 'HTTP' }])), { isEdge: false })
    expect(config!.listeners).toEqual({})
  })
})

describe('a UDPRoute', () => {
  const dns = { name: 'dns', port: 5300, protocol: 'UDP' }

  /** Answers every datagram with its name. */
  async function answerer(name: string): Promise<string> {
    const socket = createSocket('udp4')
    socket.on('message', (_, { port, address }) => socket.send(name, port, address))
    await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
    closing.push(() => socket.close())
    return `127.0.0.1:${socket.address().port}`
  }

  /** What a new client is answered; `nothing` when nobody does in time. */
  function answered(port: number, wait = 5_000): Promise<string> {
    return new Promise(resolve => {
      const socket = createSocket('udp4')
      const end = (text: string) => {
        clearTimeout(timer)
        clearInterval(again)
        socket.close()
        resolve(text)
      }
      const send = () => socket.send('hello', port, '127.0.0.1')
      // A datagram may be lost on a busy machine.
      const again = setInterval(send, 500)
      const timer = setTimeout(end, wait, 'nothing')
      socket.on('message', message => end(String(message)))
      socket.on('error', () => {})
      send()
    })
  }

  test('shares sessions by weight, and refuses the share of what is not there', async () => {
    const udp = (name: string) => service(name, 'default', { protocol: 'UDP' })
    const running = await run(
      [
        udp('one'),
        udp('two'),
        gateway([dns, { ...dns, name: 'none', port: 5301 }]),
        route(
          'UDPRoute',
          { backendRefs: [to('one', { weight: 3 }), to('two', { weight: 1 })] },
          { parentRefs: [{ name: 'web', sectionName: 'dns' }] },
          { name: 'a' },
        ),
        route(
          'UDPRoute',
          { backendRefs: [to('gone')] },
          { parentRefs: [{ name: 'web', sectionName: 'none' }] },
          { name: 'b' },
        ),
      ],
      { endpoints: { 'default/one:8080': [await answerer('one')], 'default/two:8080': [await answerer('two')] } },
    )
    const found: Record<string, number> = {}
    for (let i = 0; i < 60; i++) {
      const name = await answered(running.portOf('web:dns'))
      found[name] = (found[name] ?? 0) + 1
    }
    expect(found['one']! + found['two']!).toBe(60)
    expect(Math.abs(found['one']! - 45)).toBeLessThan(17)
    expect(await answered(running.portOf('web:none'), 700)).toBe('nothing')
  })
})
