// The contract table through the core: the decision alone, and explain beside it.

import { describe, expect, it } from 'vitest'
import type { HttpDecision } from '../../shared/decide/decision.ts'
import { decideFlow } from '../../shared/decide/flow.ts'
import { decideHttp } from '../../shared/decide/http.ts'
import { matchedPrefix } from '../../shared/decide/match.ts'
import { explainFlow } from '../../shared/explain/flow.ts'
import { explainHttp } from '../../shared/explain/http.ts'
import { redirectLocation } from '../../shared/http/paths.ts'
import { flowFacts, requestFacts } from '../support/facts.ts'
import { observedFor, tableOf } from '../support/table.ts'
import { type Case, suites } from './cases.ts'

const variables = {
  ONE: 'http://one.endpoint.test',
  TWO: 'http://two.endpoint.test',
  THREE: 'http://three.endpoint.test',
  ONE_TCP: 'tcp://one.endpoint.test:1',
  TWO_TCP: 'tcp://two.endpoint.test:2',
  THREE_TCP: 'tcp://three.endpoint.test:3',
}
const draw = 4_611_686_018_427

it('the table has at least 150 cases, and no two of a suite say the same', () => {
  expect(suites.flatMap(suite => suite.cases).length).toBeGreaterThanOrEqual(150)
  for (const { cases } of suites) expect(new Set(cases.map(({ it }) => it)).size).toBe(cases.length)
})

for (const suite of suites) {
  describe(`core: ${suite.name}`, () => {
    const table = tableOf(suite.config, variables)
    for (const one of suite.cases) {
      it(one.it, () => (/^(tcp|tls) /.test(one.ask) ? checkFlow(one) : checkRequest(one)))
    }

    function checkRequest(one: Case): void {
      const facts = requestFacts(table, one)
      const observed = observedFor(table)
      const decision = decideHttp(table, facts, observed, draw)
      const { get } = one
      expect(decision.rule?.id ?? null).toBe(get.rule)
      if (get.pool !== undefined) expect(decision.do === 'forward' && decision.pool.name).toBe(get.pool)
      if (get.variant !== undefined) expect('variant' in decision && decision.variant?.name).toBe(get.variant)
      if (get.reason !== undefined) expect(decision.do === 'reply' && decision.reason).toBe(get.reason)
      if (get.status !== undefined) {
        expect(statusOf(decision)).toBe(get.status)
      }
      if (get.location !== undefined) {
        expect(
          decision.do === 'redirect' &&
            redirectLocation(decision.redirect, facts, matchedPrefix(decision.match, facts.path)),
        ).toBe(get.location)
      }
      if (get.cookies !== undefined) {
        expect('cookies' in decision && decision.cookies.map(cookie => cookie.name)).toEqual(get.cookies)
      }
      const explained = explainHttp(table, facts, observed, draw)
      const serving = explained.candidates.filter(candidate => candidate.verdict === 'serves')
      expect(serving.map(candidate => candidate.rule)).toEqual(get.rule === null ? [] : [get.rule])
      for (const candidate of explained.candidates) {
        expect(candidate.failed === undefined).toBe(candidate.verdict !== 'does not hold')
      }
    }

    function statusOf(decision: HttpDecision): number | undefined {
      if (decision.do === 'preflight') return 204
      if (decision.do === 'redirect') return decision.redirect.status
      return decision.do === 'reply' ? decision.status : undefined
    }

    function checkFlow(one: Case): void {
      const listener = table.flowListeners.get(one.ask.slice(4))!
      const facts = flowFacts(
        listener.name,
        one.from ?? '127.0.0.1',
        50_000,
        one.ask.startsWith('tls ') ? one.hello : undefined,
      )
      const observed = observedFor(table)
      const decision = decideFlow(listener, facts, observed, draw)
      expect(decision.rule?.id ?? null).toBe(one.get.rule)
      if (one.get.pool !== undefined) expect(decision.do === 'forward' && decision.pool.name).toBe(one.get.pool)
      if (one.get.variant !== undefined)
        expect(decision.do === 'forward' && decision.variant.name).toBe(one.get.variant)
      if (one.get.reason !== undefined) expect(decision.do === 'refuse' && decision.reason).toBe(one.get.reason)
      const explained = explainFlow(listener, facts, observed, draw)
      expect(explained.decision.rule ?? null).toBe(one.get.rule)
      const serving = explained.candidates.filter(candidate => candidate.verdict === 'serves')
      expect(serving.map(candidate => candidate.rule)).toEqual(one.get.rule === null ? [] : [one.get.rule])
      const holding = explained.candidates.find(candidate => candidate.failed === undefined)
      expect(holding?.verdict ?? 'serves').toBe('serves')
    }
  })
}
