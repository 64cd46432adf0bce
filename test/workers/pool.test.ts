// What an isolate learns of its endpoints from real traffic, through workerd: outliers, priorities and panic, limits. Each
// case has a pool and paths of its own, and endpoints count what they were asked.

import { beforeAll, describe, expect, it } from 'vitest'
import type { PoolInput } from '../../shared/config/config-pool.ts'
import { type Endpoint, endpoint, type Lab, lab, reset, sayWhatCame } from './lab.ts'

let edge: Lab
/** Answers as its path says: `/eject/503/…`, `/eject/reset/…`, `/eject/hang/…`. */
let bad: Endpoint
let worse: Endpoint
let good: Endpoint
let spare: Endpoint

beforeAll(async () => {
  const asToldIn = (name: string) =>
    endpoint((request, response) => {
      request.resume()
      const [, , told = ''] = request.url!.split('/')
      if (told === 'reset') reset(request)
      else if (told !== 'hang') response.writeHead(Number(told)).end(`from the ${name} one`)
    })
  ;[bad, worse, good, spare] = await Promise.all([
    asToldIn('bad'),
    asToldIn('worse'),
    endpoint(sayWhatCame('good')),
    endpoint(sayWhatCame('spare')),
  ])
  const pools: Record<string, PoolInput> = {
    eject: { endpoints: [bad.address, good.address] },
    statuses: { endpoints: [bad.address, good.address] },
    resets: { endpoints: [bad.address, good.address] },
    timeouts: { endpoints: [bad.address, good.address] },
    back: { endpoints: [bad.address, good.address], outlier: { consecutiveFailures: 2, baseEjection: '100ms' } },
    pages: { endpoints: [bad.address, good.address] },
    cap: { endpoints: [bad.address, worse.address] },
    panic: { endpoints: [bad.address, worse.address], outlier: { maxEjectedPercent: 100 } },
    calm: { endpoints: [bad.address, worse.address], outlier: { maxEjectedPercent: 100 }, panicPercent: 0 },
    failover: { endpoints: [{ address: bad.address }, { address: spare.address, priority: 1 }] },
    spill: {
      endpoints: [{ address: bad.address }, { address: good.address }, { address: spare.address, priority: 1 }],
    },
    each: {
      endpoints: [bad.address, worse.address],
      limits: { maxRequestsPerEndpoint: 1 },
      outlier: false,
    },
  }
  edge = await lab({
    listeners: { web: { kind: 'edge' } },
    pools,
    routes: [
      {
        name: 'app',
        rules: Object.keys(pools).map(pool => ({
          name: pool,
          match: { path: `/${pool}` },
          pool,
          ...(pool === 'eject' ? {} : { retry: false as const }),
          ...(pool === 'timeouts' ? { timeouts: { try: '300ms' } as const } : {}),
          ...(pool === 'each' ? { timeouts: { try: '2s' } as const } : {}),
        })),
      },
    ],
  })
})

async function askTimes(times: number, path: string): Promise<number[]> {
  const statuses: number[] = []
  for (let count = 0; count < times; count++) statuses.push((await edge.ask(`${path}/${count}`)).status)
  return statuses
}

describe('outliers', () => {
  it('five failures in a row eject an endpoint, and with retries no client has seen one', async () => {
    expect(new Set(await askTimes(20, '/eject/503'))).toEqual(new Set([200]))
    expect(bad.count('/eject/503')).toBe(5)
  })

  it.each([
    ['/statuses/504', 504],
    ['/resets/reset', 502],
    ['/timeouts/hang', 504],
  ])('of any kind: %s', async (path, status) => {
    const statuses = await askTimes(20, path)
    expect(statuses.filter(each => each === status).length).toBe(5)
    expect(bad.count(path)).toBe(5)
  })

  it('an application that fails on one page is no outlier', async () => {
    const statuses = await askTimes(20, '/pages/500')
    expect(statuses.filter(status => status === 500).length).toBe(10)
  })

  it('an ejection ends', async () => {
    await askTimes(8, '/back/503')
    expect(bad.count('/back/503')).toBe(2)
    await expect
      .poll(async () => {
        await edge.ask('/back/503/again')
        return bad.count('/back/503/again')
      })
      .toBeGreaterThan(0)
  })

  it('never more of the pool than its cap', async () => {
    await askTimes(40, '/cap/503')
    const asked = [bad.count('/cap/503'), worse.count('/cap/503')].sort((a, b) => a - b)
    expect(asked[0]).toBe(5)
    expect(asked[1]).toBe(35)
  })
})

describe('when too few are up', () => {
  it('all are used rather than none', async () => {
    const statuses = await askTimes(20, '/panic/503')
    expect(new Set(statuses)).toEqual(new Set([503]))
    expect(bad.count('/panic/503') + worse.count('/panic/503')).toBe(20)
  })

  it('and without a panic threshold we say that there is none', async () => {
    await askTimes(10, '/calm/503')
    const answer = await edge.ask('/calm/503/last')
    expect(answer.headers['proxy-status']).toBe('fourseven; error=destination_unavailable')
    expect(await edge.recordOf('/calm/503/last')).toMatchObject({ status: 503, attempts: [] })
    expect(bad.count('/calm/503/last') + worse.count('/calm/503/last')).toBe(0)
  })
})

describe('priorities', () => {
  it('the next group takes over when the first one is out', async () => {
    const statuses = await askTimes(15, '/failover/503')
    expect(statuses).toEqual([...Array(5).fill(503), ...Array(10).fill(200)])
    expect(spare.count('/failover/503')).toBe(10)
  })

  it('and helps with its part when half of the first one is', async () => {
    await askTimes(10, '/spill/503')
    // Round robin begins anywhere: of the tenth request the spare may have its part already.
    expect(bad.count('/spill/503')).toBe(5)
    expect(spare.count('/spill/503')).toBeLessThanOrEqual(1)
    await askTimes(100, '/spill/503/after')
    // Of two endpoints one is up: 1.4 times a half is what the group takes; round robin keeps to it.
    expect(good.count('/spill/503/after')).toBe(70)
    expect(spare.count('/spill/503/after')).toBe(30)
  })
})

it('an endpoint takes no more requests than its limit, and when all have them we answer', async () => {
  const first = edge.ask('/each/hang/1')
  await expect.poll(() => bad.count('/each/hang') + worse.count('/each/hang')).toBe(1)
  const second = edge.ask('/each/hang/2')
  await expect.poll(() => [bad.count('/each/hang'), worse.count('/each/hang')]).toEqual([1, 1])
  const third = await edge.ask('/each/hang/3')
  expect(third.status).toBe(503)
  expect(third.headers['proxy-status']).toBe('fourseven; error=connection_limit_reached')
  expect(await edge.recordOf('/each/hang/3')).toMatchObject({ reason: 'connection_limit_reached', attempts: [] })
  expect([(await first).status, (await second).status]).toEqual([504, 504])
})
