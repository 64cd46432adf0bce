// The subrequests of one request, through workerd. `check` refuses rules that do not fit, so the configs are bent here.

import { beforeAll, expect, it } from 'vitest'
import type { Config } from '../../shared/config/parsed.ts'
import { type Endpoint, endpoint, type Lab, lab, sayWhatCame } from './lab.ts'

let bad: Endpoint
let good: Endpoint
let aside: Endpoint

const input = () => ({
  listeners: { web: { kind: 'edge' as const } },
  pools: {
    app: { endpoints: [{ address: bad.address }, { address: good.address, priority: 1 }], outlier: false as const },
    aside: { endpoints: [aside.address] },
  },
  routes: [
    {
      name: 'app',
      rules: [
        { name: 'all', pool: 'app' },
        { name: 'copied', match: { path: '/copied' }, pool: 'app', mirrors: [{ pool: 'aside' }] },
        {
          name: 'hedged',
          match: { path: '/hang' },
          pool: 'app',
          hedge: { after: '20ms' },
          timeouts: { try: '200ms' },
        } as const,
      ],
    },
  ],
})

beforeAll(async () => {
  bad = await endpoint((request, response) => {
    request.resume()
    if (!request.url!.startsWith('/hang')) response.writeHead(503).end('from the bad one')
  })
  good = await endpoint(sayWhatCame('good'))
  aside = await endpoint(sayWhatCame('aside'))
})

const allow = (subrequests: number): Promise<Lab> =>
  lab(
    input(),
    {},
    {},
    {
      bend: (config: Config) => ({
        ...config,
        listeners: config.listeners.map(listener => ({ ...listener, subrequests }) as typeof listener),
      }),
    },
  )

it('with one subrequest there is no second try: the last answer is passed on, and the record says why', async () => {
  const edge = await allow(1)
  const answer = await edge.ask('/one')
  expect([answer.status, answer.body.toString()]).toEqual([503, 'from the bad one'])
  expect([bad.count('/one'), good.count('/one')]).toEqual([1, 0])
  expect(await edge.recordOf('/one')).toMatchObject({
    status: 503,
    reason: 'subrequests_exhausted',
    attempts: [{ outcome: 503 }],
  })
  // Neither is one sent aside, nor beside.
  await edge.ask('/copied/one')
  expect((await edge.recordOf('/copied/one')).mirrors).toMatchObject([
    { outcome: 'skipped', why: 'subrequests_exhausted' },
  ])
  expect((await edge.ask('/hang/one')).status).toBe(504)
  expect(good.count('/hang/one')).toBe(0)
})

it('tries come before mirrors', async () => {
  const edge = await allow(2)
  expect((await edge.ask('/copied/two')).seen.endpoint).toBe('good')
  expect((await edge.recordOf('/copied/two')).mirrors).toMatchObject([
    { outcome: 'skipped', why: 'subrequests_exhausted' },
  ])
  const enough = await allow(3)
  expect((await enough.ask('/copied/three')).seen.endpoint).toBe('good')
  expect((await enough.recordOf('/copied/three')).mirrors).toMatchObject([{ outcome: 'sent' }])
})

it('with none we answer ourselves', async () => {
  const edge = await allow(0)
  const answer = await edge.ask('/none')
  expect(answer.status).toBe(503)
  expect(answer.body.toString()).toMatch(/^503 subrequests_exhausted: /)
  expect(bad.count('/none')).toBe(0)
})
