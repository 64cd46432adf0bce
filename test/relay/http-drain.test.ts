// What the http door does when something ends: a stop, a reload, a drain. What is under way finishes.

import { once } from 'node:events'
import http from 'node:http'
import { describe, expect, it } from 'vitest'
import { answerOf, answerTo, ask, client, configOf, endpoint, httpLab, session, until } from './http-lab.ts'

/** Answers when it is told to; the count of those that wait. */
async function patient() {
  const waiting: (() => void)[] = []
  const { address } = await endpoint((_, response) => {
    waiting.push(() => response.end('done'))
  })
  return { address, waiting }
}

describe('a stop', () => {
  it('takes no more requests, and answers those that are open', async () => {
    const { address, waiting } = await patient()
    const { relay, port, recorded } = await httpLab([address])
    const idle = client(port)
    idle.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => waiting.length === 1)
    waiting[0]!()
    await once(idle, 'data')
    const agent = new http.Agent({ keepAlive: true })
    const one = answerTo(http.get({ host: '127.0.0.1', port, agent }))
    const over2 = session(port)
    const two = answerOf(over2.request({ ':path': '/', ':authority': 'a' }))
    await until(() => waiting.length === 3)
    const stopped = relay.stop({ drainMs: 10_000 })
    // Told by GOAWAY.
    await until(() => over2.closed)
    await until(() => idle.readableEnded || idle.destroyed)
    await expect(ask(port, '/')).rejects.toThrow('ECONNREFUSED')
    for (const answer of waiting) answer()
    expect((await one).headers.connection).toBe('close')
    expect((await two).body).toBe('done')
    await stopped
    expect((await recorded(3)).every(({ status, reason }) => status === 200 && reason === null)).toBe(true)
    agent.destroy()
  })

  it('cuts what is open when the time is up, and writes it down', async () => {
    const { address, waiting } = await patient()
    const { relay, port, recorded } = await httpLab([address])
    const asked = ask(port, '/').then(
      ({ status }) => status,
      () => 'cut',
    )
    await until(() => waiting.length === 1)
    await relay.stop({ drainMs: 50 })
    expect([503, 'cut']).toContain(await asked)
    expect((await recorded(1))[0]).toMatchObject({ reason: 'drained' })
  })
})

describe('a reload', () => {
  it('under load loses no request, and the next ones go by the new table', async () => {
    const one = await endpoint((_, response) => response.end('one'))
    const two = await endpoint((_, response) => response.end('two'))
    const { relay, port, records } = await httpLab([one.address])
    const agent = new http.Agent({ keepAlive: true, maxSockets: 10 })
    const bodies: string[] = []
    let isOver = false
    const load = Array.from({ length: 10 }, async () => {
      while (!isOver) bodies.push((await ask(port, '/', { agent })).body)
    })
    await until(() => bodies.length > 50)
    await relay.reload(configOf([two.address]), {})
    const after = bodies.length
    await until(() => bodies.length > after + 50)
    isOver = true
    await Promise.all(load)
    agent.destroy()
    expect(new Set(bodies)).toEqual(new Set(['one', 'two']))
    expect(bodies.at(-1)).toBe('two')
    await until(() => records.length === bodies.length)
    expect(records.every(({ status }) => status === 200)).toBe(true)
  })

  it('lets a request finish whose endpoint is gone, and cuts it when the time is up', async () => {
    const { address, waiting } = await patient()
    const other = await endpoint((_, response) => response.end('other'))
    const { relay, port, recorded } = await httpLab([address])
    const finishing = ask(port, '/finishing')
    await until(() => waiting.length === 1)
    const hanging = ask(port, '/hanging').then(
      ({ status }) => status,
      () => 'cut',
    )
    await until(() => waiting.length === 2)
    const { drained } = await relay.reload(configOf([other.address]), {}, 300)
    expect(drained).toBe(2)
    waiting[0]!()
    expect([503, 'cut']).toContain(await hanging)
    expect((await finishing).body).toBe('done')
    const reasons = (await recorded(2)).map(({ path, reason }) => [path, reason])
    expect(Object.fromEntries(reasons)).toEqual({ '/finishing': null, '/hanging': 'drained' })
    expect((await ask(port, '/')).body).toBe('other')
  })
})

it('a drained endpoint gets nothing new, and what it does it may finish', async () => {
  const { address, waiting } = await patient()
  const other = await endpoint((_, response) => response.end('other'))
  const { relay, port } = await httpLab([address, other.address])
  const open = ask(port, '/')
  const beside = ask(port, '/')
  await until(() => waiting.length === 1)
  expect(relay.drain(`app/${address}`, 10_000)).toBe(true)
  for (let at = 0; at < 6; at++) expect((await ask(port, '/')).body).toBe('other')
  waiting[0]!()
  expect([(await open).body, (await beside).body].sort()).toEqual(['done', 'other'])
})
