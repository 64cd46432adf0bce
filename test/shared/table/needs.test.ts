import { expect, it } from 'vitest'
import type { HttpRuleInput } from '../../../shared/config/config-http.ts'
import { tableOf } from '../../support/table.ts'

function needsOf(rule: Omit<HttpRuleInput, 'name'>) {
  return tableOf({
    listeners: { web: { kind: 'edge' } },
    pools: { app: { endpoints: ['https://a.test'] } },
    routes: [{ name: 'app', ...rule }],
  }).needs
}

const requestHeader = { requestHeaders: { set: { 'x-country': '{country}' } } }
const responseHeader = { responseHeaders: { add: { 'x-country': 'from {country}' } } }

it.each<[string, Omit<HttpRuleInput, 'name'>]>([
  ['a match', { match: { country: 'DE' }, pool: 'app' }],
  ['a header towards the endpoint', { pool: 'app', filters: requestHeader }],
  ['a header towards the client', { pool: 'app', filters: responseHeader }],
  ["a variant's header", { variants: [{ name: 'a', weight: 1, pool: 'app', filters: requestHeader }] }],
  ['a header of a redirect', { redirect: { host: 'b.test' }, filters: responseHeader }],
])('the country is read for %s', (_, rule) => {
  expect(needsOf(rule).country).toBe(true)
})

it('the country is not read when nobody asks for it', () => {
  const filters = { requestHeaders: { set: { 'x-rule': '{rule}', 'x-country': 'country' } } }
  expect(needsOf({ pool: 'app', filters }).country).toBe(false)
})
