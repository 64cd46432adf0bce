// The index by server name and the plain list in rank order give every flow the same match.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { parse } from '../../../shared/config/parse.ts'
import { flowFailure, matchFlow } from '../../../shared/decide/match.ts'
import { compile } from '../../../shared/table/compile.ts'
import { flowFacts } from '../../support/facts.ts'

const label = fc.constantFrom('a', 'b', 'app')
const name = fc.array(label, { minLength: 1, maxLength: 3 }).map(labels => [...labels, 'test'].join('.'))
const pattern = fc.tuple(name, fc.boolean()).map(([text, isWild]) => (isWild ? `*.${text}` : text))
const protocols = fc.subarray(['h2', 'http/1.1', 'h3'])
const address = fc.constantFrom('127.0.0.0/8', '127.0.0.1/32', '10.0.0.0/8', '::/0')
const match = fc.record({
  sni: fc.uniqueArray(pattern, { maxLength: 3 }),
  alpn: protocols,
  address: fc.uniqueArray(address, { minLength: 1, maxLength: 2 }),
})

test('whatever the rules are and whatever is asked for', () => {
  fc.assert(
    fc.property(
      fc.array(match, { minLength: 1, maxLength: 12 }),
      fc.option(name, { nil: undefined }),
      protocols,
      fc.constantFrom('127.0.0.1', '127.9.9.9', '10.1.1.1', '2001:db8::1'),
      (matches, sni, alpn, from) => {
        const listener = listenerOf(matches)
        const facts = flowFacts('door', from, 50_000, { sni, alpn })
        expect(matchFlow(listener, facts)).toBe(listener.matches.find(each => flowFailure(each, facts) === undefined))
      },
    ),
    { seed: 47, numRuns: 1_000 },
  )
})

test('ten thousand names are each found under their own', () => {
  const all = Array.from({ length: 10_000 }, (_, at) => ({ sni: [`tenant-${at}.example.com`], alpn: [], address: [] }))
  const listener = listenerOf([...all, { sni: ['*.example.com'], alpn: [], address: [] }])
  const ruleFor = (sni: string) => matchFlow(listener, flowFacts('door', '127.0.0.1', 1, { sni }))?.rule.name
  expect([0, 4_711, 9_999].map(at => ruleFor(`tenant-${at}.example.com`))).toEqual(['0', '4711', '9999'])
  expect(ruleFor('tenant-10000.example.com')).toBe('10000')
  expect(ruleFor('example.com')).toBeUndefined()
})

/** Empty lists are left out, as an operator would. */
function listenerOf(matches: readonly { sni: string[]; alpn: string[]; address: string[] }[]) {
  const rules = matches.map(each => ({
    match: Object.fromEntries(Object.entries(each).filter(([, list]) => list.length > 0)),
    pool: 'app',
  }))
  const config: ConfigInput = {
    listeners: { door: { kind: 'tls', address: '127.0.0.1:0' } },
    pools: { app: { endpoints: ['tcp://127.0.0.1:1'] } },
    routes: [{ name: 'r', listener: 'door', rules }],
  }
  return compile(parse(config).config).flowListeners.get('door')!
}
