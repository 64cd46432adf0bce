// Data points for Analytics Engine: what an isolate writes when a dataset is bound. Miniflare's own dataset forgets what it is
// given, so here a Worker stands in its place that has the same method and tells what came.

import { expect, test } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { type Lab, lab } from './lab.ts'

interface Point {
  readonly indexes: readonly string[]
  readonly blobs: readonly string[]
  readonly doubles: readonly number[]
}

const DATASET = `import { WorkerEntrypoint } from 'cloudflare:workers'
const points = []
export default class extends WorkerEntrypoint {
  writeDataPoint(point) { points.push(point) }
  fetch() { return Response.json(points) }
}`

const config = {
  listeners: { web: { kind: 'edge' } },
  pools: { points: { endpoints: ['binding:FOURSEVEN_ANALYTICS'] } },
  routes: [
    { name: 'points', match: { path: '/points' }, pool: 'points' },
    {
      name: 'shop',
      match: { path: '/shop' },
      variants: [
        { name: 'stable', reply: { status: 200, body: 'x' }, weight: 1 },
        { name: 'canary', reply: { status: 500, body: 'x' }, weight: 1 },
      ],
      split: { force: { header: 'x-canary', to: 'canary' } },
    },
  ],
} as ConfigInput

test('each route and variant has points with its requests and errors, and all of them add up', async () => {
  const edge = await lab(config, {}, {}, { services: { FOURSEVEN_ANALYTICS: DATASET } })
  const shop = (canary: 'always' | 'never') => edge.ask('/shop', { headers: { 'x-canary': canary } })
  for (let at = 0; at < 7; at++) expect((await shop('never')).status).toBe(200)
  for (let at = 0; at < 3; at++) expect((await shop('always')).status).toBe(500)
  // What was counted goes out beside later requests, about once a second.
  await expect
    .poll(async () => sums(await pointsOf(edge), 'shop'), { timeout: 25_000, interval: 200 })
    .toEqual({ stable: [7, 0], canary: [3, 3] })
  for (const { indexes, blobs, doubles } of await pointsOf(edge)) {
    expect(indexes).toEqual([blobs[0]])
    expect([blobs.length, doubles.length]).toEqual([3, 2])
    expect(doubles[0]).toBeGreaterThan(0)
  }
})

async function pointsOf(edge: Lab): Promise<readonly Point[]> {
  return JSON.parse((await edge.ask('/points')).body.toString())
}

/** By variant: requests, errors. */
function sums(points: readonly Point[], route: string): Record<string, [number, number]> {
  const found: Record<string, [number, number]> = {}
  for (const { blobs, doubles } of points) {
    if (blobs[0] !== route) continue
    const sum = found[blobs[1]!] ?? [0, 0]
    found[blobs[1]!] = [sum[0] + doubles[0]!, sum[1] + doubles[1]!]
  }
  return found
}
