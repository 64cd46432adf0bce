// A closed pool takes nothing, with endpoints or without.

import { expect, test } from 'vitest'
import { parse } from '../../../shared/config/parse.ts'
import { next, whyNone } from '../../../shared/pool/balance.ts'
import { createObserved } from '../../../shared/pool/observed.ts'
import { compile } from '../../../shared/table/compile.ts'

test.each([[[]], [['tcp://127.0.0.1:1', { address: 'tcp://127.0.0.1:2', weight: 5 }]]])('%j', endpoints => {
  const { config } = parse({
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: { shut: { endpoints, closed: true } },
    routes: [{ name: 'r', listener: 'door', pool: 'shut' }],
  })
  const [pool] = compile(config).pools
  const observed = createObserved({ slots: 2, pools: 1, shared: false, firstTurn: 0 })
  expect(next(pool!, [], observed, 0, 1, undefined)).toBeUndefined()
  expect(whyNone(pool!, [], observed, 0)).toBe('destination_unavailable')
})
