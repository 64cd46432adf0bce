// Canaries at the edge: cookies are set once, kept, and believed only with our signature.

import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, endpoint, type Lab, lab, sayWhatCame } from './lab.ts'

let edge: Lab

beforeAll(async () => {
  const [stable, canary, other] = await Promise.all(
    ['stable', 'canary', 'other'].map(name => endpoint(sayWhatCame(name))),
  )
  const variants = (stableWeight: number, canaryWeight: number) => [
    { name: 'stable', weight: stableWeight, pool: 'stable' },
    { name: 'canary', weight: canaryWeight, pool: 'canary' },
  ]
  edge = await lab(
    {
      listeners: { web: { kind: 'edge', clientAddress: { trustedProxies: ['127.0.0.0/8'] } } },
      pools: {
        stable: { endpoints: [stable!.address] },
        canary: { endpoints: [canary!.address] },
        both: {
          endpoints: [
            { address: stable!.address, name: 'one' },
            { address: other!.address, name: 'two' },
          ],
          affinity: { cookie: 'kept' },
        },
      },
      routes: [
        {
          name: 'app',
          rules: [
            { name: 'half', variants: variants(50, 50), split: { expose: true } },
            {
              name: 'pinned',
              match: { path: '/pinned' },
              variants: variants(50, 50),
              split: { name: 'ab', pin: 'first' },
            },
            {
              name: 'forced',
              match: { path: '/forced' },
              variants: variants(100, 0),
              split: { force: { header: 'x-canary', cookie: 'canary', to: 'canary' } },
            },
            {
              name: 'reply',
              match: { path: '/reply' },
              filters: { responseHeaders: { set: { 'x-of-rule': '{variant}', 'x-of-both': 'rule' } } },
              variants: [
                { name: 'stable', weight: 0, pool: 'stable' },
                {
                  name: 'broken',
                  weight: 100,
                  reply: { status: 500, body: 'as you wished' },
                  filters: { responseHeaders: { set: { 'x-of-variant': '{variant}', 'x-of-both': 'variant' } } },
                },
              ],
            },
            { name: 'kept', match: { path: '/kept' }, pool: 'both' },
          ],
        },
      ],
    },
    { FOURSEVEN_COOKIE_KEY: 'new key, old key' },
  )
})

describe('the cookie of a split', () => {
  it('is set with the first answer, signed, and never again', async () => {
    const first = await edge.ask('/')
    expect(first.setCookie).toHaveLength(1)
    expect(first.setCookie[0]).toMatch(/^fs_id=[\w-]+\.[\w-]{24}; Max-Age=2592000; Path=\/; HttpOnly; SameSite=Lax$/)
    const cookie = cookieOf(first)
    for (let turn = 0; turn < 5; turn++) {
      const next = await edge.ask('/', { headers: { cookie } })
      expect(next.setCookie).toEqual([])
      expect(next.seen.endpoint).toBe(first.seen.endpoint)
    }
  })

  it('is Secure when a trusted proxy says https', async () => {
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.1' }
    const answer = await edge.ask('/', { headers })
    expect(answer.setCookie[0]).toContain('; Secure')
  })

  it('that is forged counts as absent', async () => {
    const first = await edge.ask('/')
    const [value] = cookieOf(first).split('=')[1]!.split('.')
    for (const forged of [
      `fs_id=${value}`,
      `fs_id=${value}.AAAAAAAAAAAAAAAAAAAAAAAA`,
      `fs_id=x${cookieOf(first).slice(6)}`,
    ]) {
      const answer = await edge.ask('/', { headers: { cookie: forged } })
      expect(answer.setCookie, forged).toHaveLength(1)
      expect(cookieOf(answer)).not.toContain(value)
    }
  })

  it('gives both variants their users', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => edge.ask('/')))
    // 40 fair coins on one side: once in 5e11.
    expect(new Set(answers.map(answer => answer.seen.endpoint))).toEqual(new Set(['stable', 'canary']))
  })

  it('pins the first variant when asked to', async () => {
    const first = await edge.ask('/pinned')
    expect(first.setCookie.map(cookie => cookie.split('=')[0]).sort()).toEqual(['fs_id', 'fs_pin_ab'])
    const pin = first.setCookie.find(cookie => cookie.startsWith('fs_pin_ab='))!.split(';')[0]!
    // The identity is another one each time; the pin alone decides.
    for (let turn = 0; turn < 8; turn++) {
      const next = await edge.ask('/pinned', { headers: { cookie: pin } })
      expect(next.seen.endpoint).toBe(first.seen.endpoint)
    }
  })
})

describe('a user may be forced', () => {
  it('by header', async () => {
    expect((await edge.ask('/forced')).seen.endpoint).toBe('stable')
    expect((await edge.ask('/forced', { headers: { 'x-canary': 'always' } })).seen.endpoint).toBe('canary')
  })

  it('by cookie, and the header goes before it', async () => {
    expect((await edge.ask('/forced', { headers: { cookie: 'canary=always' } })).seen.endpoint).toBe('canary')
    const both = { cookie: 'canary=always', 'x-canary': 'never' }
    expect((await edge.ask('/forced', { headers: both })).seen.endpoint).toBe('stable')
  })
})

it('route and variant are told to the endpoint, to the client when exposed, and to the record', async () => {
  const answer = await edge.ask('/told', { headers: { 'x-fourseven-variant': 'mine', 'x-fourseven-route': 'mine' } })
  const { endpoint: variant, headers } = answer.seen
  expect([headers['x-fourseven-route'], headers['x-fourseven-variant']]).toEqual(['app', variant])
  expect([answer.headers['x-fourseven-route'], answer.headers['x-fourseven-variant']]).toEqual(['app', variant])
  expect(await edge.recordOf('/told')).toMatchObject({ route: 'app', rule: 'half', variant })
  const hidden = await edge.ask('/forced')
  expect(hidden.headers['x-fourseven-variant']).toBeUndefined()
})

it('a variant may be a fixed reply, and its user keeps it', async () => {
  const answer = await edge.ask('/reply')
  expect([answer.status, answer.body.toString()]).toEqual([500, 'as you wished'])
  expect(cookieOf(answer)).toMatch(/^fs_id=/)
})

it('the reply of a variant has the edits of the rule and then its own', async () => {
  const { headers } = await edge.ask('/reply')
  expect([headers['x-of-rule'], headers['x-of-variant'], headers['x-of-both']]).toEqual(['broken', 'broken', 'variant'])
})

it('a client keeps its endpoint, by a token that does not show its address', async () => {
  const first = await edge.ask('/kept')
  const cookie = cookieOf(first)
  expect(cookie).toMatch(/^kept=[0-9a-z]+\.[\w-]{24}$/)
  for (let turn = 0; turn < 4; turn++) {
    const next = await edge.ask('/kept', { headers: { cookie } })
    expect(next.seen.endpoint).toBe(first.seen.endpoint)
    expect(next.setCookie).toEqual([])
  }
  // Without it round robin walks on.
  const [one, two] = [await edge.ask('/kept'), await edge.ask('/kept')]
  expect(one.seen.endpoint).not.toBe(two.seen.endpoint)
})

function cookieOf(answer: Answer): string {
  return answer.setCookie[0]!.split(';')[0]!
}
