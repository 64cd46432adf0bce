import { expect, it } from 'vitest'
import { smallWeightProblems } from '../../../shared/explain/small-weights.ts'
import { tableOf } from '../../support/table.ts'

const pools = { app: { endpoints: ['https://app.test'] }, db: { endpoints: ['tcp://10.0.0.1:1'] } }
const variants = (pool: 'app' | 'db', ...weights: number[]) =>
  weights.map((weight, index) => ({ name: `v${index}`, weight, pool }))

function problemsOf(...weights: number[]) {
  const match = [{ path: '/a' }, { path: '/b' }]
  const routes = [{ name: 'r', match, variants: variants('app', ...weights) }]
  return smallWeightProblems(tableOf({ listeners: { web: { kind: 'edge' } }, pools: { app: pools.app }, routes }))
}

it('a weight that is less than one slot is told once', () => {
  expect(problemsOf(999_999, 1)).toEqual([
    {
      severity: 'warning',
      code: 'weight-too-small',
      path: 'routes[0].variants[1].weight',
      message: "the variant v1 gets nobody: 1 of 1000000 is less than one of the split's 65536 slots",
      mend: 'Give it at least one part in 65536, or weight 0 to say that it is off.',
    },
  ])
})

it('a weight of 0 and a weight of one slot are right', () => {
  expect(problemsOf(100, 0)).toEqual([])
  expect(problemsOf(65_535, 1)).toEqual([])
  expect(problemsOf(99, 1)).toEqual([])
})

it('flows are told too', () => {
  const table = tableOf({
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:7000' } },
    pools: { db: pools.db },
    routes: [{ name: 'f', listener: 'door', variants: variants('db', 1_000_000, 1) }],
  })
  expect(smallWeightProblems(table).map(({ path }) => path)).toEqual(['routes[0].variants[1].weight'])
})
