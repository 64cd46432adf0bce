// How an isolate looks what holds, with an object, a cache and a clock of this test's own.

import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openHttpMetrics } from '../../shared/metrics/http-metrics.ts'
import type { Overlay } from '../../shared/overlay/overlay.ts'
import { look, openFollow } from '../../workers/control/follow.ts'
import { after, table } from '../shared/overlay/config.ts'
import { observedFor } from '../support/table.ts'

const cached = new Map<string, Response>()

beforeEach(() => {
  cached.clear()
  vi.stubGlobal('caches', {
    default: {
      match: async (url: string) => cached.get(url)?.clone(),
      put: async (url: string, response: Response) => void cached.set(url, response),
    },
  })
  const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms).unref())
  vi.stubGlobal('scheduler', { wait })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** A new isolate, and the object that it asks. */
function isolateOf(id: string, overlay: Overlay) {
  const object = { isHanging: false, reads: 0 }
  const stub = {
    id,
    read: async () => {
      object.reads += 1
      if (object.isHanging) await new Promise(() => {})
      return { birth: id, version: overlay.version, at: Date.now(), text: JSON.stringify(overlay) }
    },
    flush: async () => ({ againInMs: 1_000 }),
  }
  const follow = openFollow(() => stub as never, table)
  const isolate = { table, seen: { observed: observedFor(table) }, metrics: openHttpMetrics(table), bindings: {} }
  const lookAt = async (now: number) => {
    const beside: Promise<unknown>[] = []
    const context = { waitUntil: (promise: Promise<unknown>) => beside.push(promise) }
    const request = new Request('https://shop.test/')
    await look(isolate as never, follow, request as never, now, context as never)
    return beside
  }
  return { object, follow, lookAt }
}

it('two Workers at one host, each with an object of its own, do not read each other in the cache', async () => {
  const one = isolateOf('one', after([{ do: 'drain', endpoint: 'stable/a' }]))
  const other = isolateOf('other', after([{ do: 'drain', endpoint: 'stable/b' }]))
  for (const { lookAt } of [one, other]) await Promise.all(await lookAt(Date.now()))
  expect([one, other].map(({ follow }) => follow.overlay?.drains[0]?.endpoint)).toEqual(['stable/a', 'stable/b'])
})

it('a look that never ends, since its request was ended, is not the last one', async () => {
  const { object, follow, lookAt } = isolateOf('one', after([{ do: 'drain', endpoint: 'stable/a' }]))
  vi.stubGlobal('caches', { default: { match: () => new Promise(() => {}) } })
  const now = Date.now()
  expect(await lookAt(now)).toHaveLength(1)
  expect(await lookAt(now + 10_000)).toHaveLength(0)
  vi.stubGlobal('caches', { default: { match: async () => undefined, put: async () => undefined } })
  await Promise.all(await lookAt(now + 40_000))
  expect([object.reads, follow.version]).toEqual([1, 1])
})

it('a new isolate begins with what its data centre knew last, however long the object takes', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const overlay = after([{ do: 'weight', split: 'shop', weights: { stable: 1, canary: 0 } }])
  await Promise.all(await isolateOf('one', overlay).lookAt(Date.now()))
  vi.setSystemTime(Date.now() + 60_000)
  const { object, follow, lookAt } = isolateOf('one', overlay)
  object.isHanging = true
  const beside = await lookAt(Date.now())
  expect([object.reads, follow.overlay?.splits[0]?.weights]).toEqual([1, [1, 0]])
  await Promise.all(beside)
})
