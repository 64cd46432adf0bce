import { describe, expect, it } from 'vitest'
import type { FlowRuleInput, TlsMatchInput } from '../../../shared/config/config-flow.ts'
import type { PoolInput } from '../../../shared/config/config-pool.ts'
import { explainFlow } from '../../../shared/explain/flow.ts'
import { flowSteps } from '../../../shared/table/precedence.ts'
import { flowFacts } from '../../support/facts.ts'
import { observedFor, tableOf } from '../../support/table.ts'

function listenerOf(rules: FlowRuleInput[], pool: PoolInput = { endpoints: ['tcp://10.0.0.1:1'] }) {
  const table = tableOf({
    listeners: { door: { kind: 'tls', address: '127.0.0.1:7000' } },
    pools: { db: pool },
    routes: [{ name: 'f', listener: 'door', rules }],
  })
  return { table, listener: table.flowListeners.get('door')! }
}

describe('the step of precedence that decided', () => {
  const told = [
    ['a whole server name', { sni: '*.x.test' }, { sni: 'a.x.test' }],
    ['most characters in a wildcard server name', { sni: '*.test' }, { sni: '*.x.test' }],
    ['a protocol (ALPN) match', {}, { alpn: 'h2' }],
    ['the narrowest client address', { address: '10.0.0.0/8' }, { address: '10.1.0.0/16' }],
  ] as const satisfies readonly (readonly [string, TlsMatchInput, TlsMatchInput])[]
  const facts = flowFacts('door', '10.1.0.1', 50_000, { sni: 'a.x.test', alpn: ['h2'] })

  it.each<readonly [string, TlsMatchInput, TlsMatchInput]>(told)('%s (%j before %j)', (step, less, more) => {
    const { table, listener } = listenerOf([less, more].map(match => ({ match, pool: 'db' })))
    expect(explainFlow(listener, facts, observedFor(table), 1).decidedBy).toEqual({ step, over: 'f/0' })
  })

  it('list order', () => {
    const { table, listener } = listenerOf([
      { match: { address: '10.1.0.0/16' }, pool: 'db' },
      { match: { address: '10.1.0.0/16' }, pool: 'db' },
    ])
    const { decidedBy } = explainFlow(listener, facts, observedFor(table), 1)
    expect(decidedBy).toEqual({ step: 'list order', over: 'f/1' })
  })

  it('is shown here for every step', () => {
    expect([...told.map(([step]) => step), 'list order']).toEqual([...flowSteps])
  })
})

it('tries are no more than the pool has endpoints', () => {
  const { table, listener } = listenerOf([{ pool: 'db' }])
  const { decision } = explainFlow(listener, flowFacts('door', '10.0.0.9'), observedFor(table), 1)
  expect(decision).toMatchObject({ do: 'forward', attempts: 1 })
})

describe('a pool that goes by the whole flow', () => {
  const { table, listener } = listenerOf([{ pool: 'db' }], {
    endpoints: ['tcp://10.0.0.1:1', 'tcp://10.0.0.2:1'],
    balance: { hash: 'flow' },
  })
  const endpointFor = (localAddress: string, localPort: number) => {
    const facts = { ...flowFacts('door', '10.0.0.9'), localAddress, localPort }
    const { decision, pool } = explainFlow(listener, facts, observedFor(table), 1)
    return [decision.do === 'forward' && decision.endpoint, pool === undefined]
  }

  it.each([
    ['0.0.0.0', 7_000],
    ['::', 7_000],
    ['127.0.0.1', 0],
    ['localhost', 7_000],
  ])('cannot be told for a client that connects to %s %i', (address, port) => {
    expect(endpointFor(address, port)).toEqual([undefined, true])
  })

  it.each([
    ['127.0.0.1', 7_000],
    ['::1', 7_000],
    ['unix:/run/app.sock', 0],
  ])('is told for one that connects to %s %i', (address, port) => {
    expect(endpointFor(address, port)).toEqual([expect.stringMatching(/^tcp:/), false])
  })
})
