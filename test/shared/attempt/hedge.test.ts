import { expect, test } from 'vitest'
import { hedgeAfterMs, mayHedge } from '../../../shared/attempt/hedge.ts'
import { addSample, openSketch } from '../../../shared/attempt/latency-sketch.ts'

const soon = { by: 'time', ms: 200 } as const

test('only a safe method whose body is kept may be sent twice at once', () => {
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'TRACE']) expect(mayHedge(soon, method, 'none', false)).toBe(true)
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'PROPFIND', 'get']) {
    expect(mayHedge(soon, method, 'none', false), method).toBe(false)
  }
  expect(mayHedge(soon, 'OPTIONS', 'buffered', false)).toBe(true)
  expect(mayHedge(soon, 'GET', 'streamed', false)).toBe(false)
  expect(mayHedge(soon, 'GET', 'none', true)).toBe(false)
  expect(mayHedge(undefined, 'GET', 'none', false)).toBe(false)
})

test('a time is a time; a percentile waits for samples', () => {
  const sketch = openSketch()
  expect(hedgeAfterMs(soon, sketch)).toBe(200)
  const p95 = { by: 'percentile', percentile: 95 } as const
  expect(hedgeAfterMs(p95, sketch)).toBeUndefined()
  for (let count = 1; count <= 100; count++) addSample(sketch, count <= 94 ? 10 : 1_000)
  expect(hedgeAfterMs(p95, sketch)! / 1_000).toBeCloseTo(1, 1)
  expect(hedgeAfterMs({ ...p95, percentile: 50 }, sketch)! / 10).toBeCloseTo(1, 1)
})
