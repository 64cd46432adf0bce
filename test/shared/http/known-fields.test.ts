import fc from 'fast-check'
import { expect, it } from 'vitest'
import { KnownFields } from '../../../shared/http/known-fields.ts'

const name = fc.constantFrom('a', 'B', 'x-c', 'X-C', 'set-cookie')
const step = fc.oneof(
  fc.record({ do: fc.constant('get' as const), name }),
  fc.record({ do: fc.constant('delete' as const), name }),
  fc.record({ do: fc.constantFrom('set' as const, 'append' as const), name, value: fc.constantFrom('1', '2') }),
)

it('known fields answer and end as the fields themselves would', () => {
  fc.assert(
    fc.property(fc.dictionary(name, fc.constantFrom('1', '2')), fc.array(step, { maxLength: 30 }), (begin, steps) => {
      const plain = new Headers(begin)
      const under = new Headers(begin)
      const known = new KnownFields(under, [...under.keys()])
      for (const one of steps) {
        if (one.do === 'get') expect(known.get(one.name)).toBe(plain.get(one.name))
        else if (one.do === 'delete') {
          known.delete(one.name)
          plain.delete(one.name)
        } else {
          known[one.do](one.name, one.value)
          plain[one.do](one.name, one.value)
        }
      }
      expect([...under]).toEqual([...plain])
      expect([...known.keys()].sort()).toEqual([...new Set(plain.keys())].sort())
    }),
    { seed: 5, numRuns: 500 },
  )
})
