import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AddressCounts, createAddressCounts, giveBackAddresses } from '../../relay/address-counts.ts'

test('counts are those of a plain map, whatever is added and taken off, and by which thread', () => {
  const step = fc.record({ address: fc.integer({ min: 0, max: 20 }), thread: fc.nat(2), isAdd: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const memory = createAddressCounts(100, 3)
      const views = [0, 1, 2].map(thread => new AddressCounts(memory, thread))
      const open = new Map<string, { thread: number; place: number }[]>()
      for (const { address, thread, isAdd } of steps) {
        const name = `192.0.2.${address}`
        const held = open.get(name) ?? []
        if (isAdd) {
          const place = views[thread]!.add(name, 5)
          expect(place !== undefined).toBe(held.length < 5)
          if (place !== undefined) open.set(name, [...held, { thread, place }])
        } else if (held.length > 0) {
          const { thread: of, place } = held[0]!
          views[of]!.takeOff(place)
          open.set(name, held.slice(1))
        }
      }
      // What a thread that dies had added is free again, and nothing else.
      giveBackAddresses(memory, 1)
      for (const [name, held] of open) {
        const left = held.filter(({ thread }) => thread !== 1).length
        for (let more = left; more < 5; more++) expect(views[0]!.add(name, 5)).toBeDefined()
        expect(views[0]!.add(name, 5)).toBeUndefined()
      }
    }),
    { seed: 47, numRuns: 100 },
  )
})

test('threads that add and take off at once never pass the limit, and one that dies with the lock keeps nobody out', async () => {
  const memory = createAddressCounts(1_000, 3)
  const open = new Int32Array(new SharedArrayBuffer(4))
  const source = `
    import { parentPort, workerData } from 'node:worker_threads'
    const { AddressCounts } = await import(workerData.module)
    const { memory, open, thread } = workerData
    const counts = new AddressCounts(memory, thread)
    let most = 0
    for (let done = 0; done < 20_000; ) {
      const place = counts.add('2001:db8::/64', 2)
      if (place === undefined) continue
      done += 1
      most = Math.max(most, Atomics.add(open, 0, 1) + 1)
      Atomics.sub(open, 0, 1)
      counts.takeOff(place)
    }
    parentPort.postMessage(most)
  `
  const module = new URL('../../relay/address-counts.ts', import.meta.url).href
  const most = await Promise.all(
    [0, 1].map(
      thread =>
        new Promise<number>((resolve, reject) => {
          const workerData = { module, memory, open, thread }
          const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData })
          worker.once('message', resolve)
          worker.once('error', reject)
        }),
    ),
  )
  expect(Math.max(...most)).toBeLessThanOrEqual(2)
  // As the third thread would leave it behind.
  new Int32Array(memory)[0] = 3
  giveBackAddresses(memory, 2)
  expect(new AddressCounts(memory, 0).add('2001:db8::/64', 2)).toBeDefined()
})
