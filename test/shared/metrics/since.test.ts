// What an isolate tells of its endpoints.

import { expect, it } from 'vitest'
import { openHttpMetrics } from '../../../shared/metrics/http-metrics.ts'
import { countedSince, openCounted } from '../../../shared/metrics/since.ts'
import { markEndpoints, toldUntil } from '../../../shared/overlay/mark.ts'
import { markEjected } from '../../../shared/pool/health.ts'
import { observedFor } from '../../support/table.ts'
import { after, table } from '../overlay/config.ts'

const now = 1_000_000

it('an endpoint that others have ejected is not said to be ejected here, one that is ejected for longer is', () => {
  const observed = observedFor(table)
  const ejected = () => {
    const { endpoints } = countedSince(openCounted(), openHttpMetrics(table), table, observed, now, told)
    return endpoints.filter(each => each.isEjected).map(each => each.endpoint)
  }
  const overlay = after([{ do: 'eject', endpoint: 'stable/a', forMs: now }])
  const skewMs = 40_000
  const told = toldUntil(overlay, skewMs)
  markEndpoints(observed, table, overlay, undefined, now, { skewMs, probes: 'elsewhere' })
  expect(ejected()).toEqual([])
  const [pool] = table.pools
  markEjected(observed, pool!, pool!.endpoints[1]!, now + 30_000)
  expect(ejected()).toEqual(['stable/b'])
  markEjected(observed, pool!, pool!.endpoints[0]!, now + 90_000)
  expect(ejected()).toEqual(['stable/a', 'stable/b'])
})
