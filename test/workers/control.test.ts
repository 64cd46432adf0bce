// The operator API and the control object in real workerd: who may change what, what is kept, and what two writers get.

import { beforeAll, describe, expect, it } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import { type Lab, lab } from './lab.ts'

const TOKEN = 'open-sesame'

const config = (canary = 5): ConfigInput => ({
  listeners: { web: { kind: 'edge' } },
  pools: {
    stable: { endpoints: [{ name: 'a', address: 'http://127.0.0.1:9' }] },
    canary: { endpoints: [{ name: 'c', address: 'http://127.0.0.1:9' }] },
  },
  routes: [
    {
      name: 'shop',
      variants: [
        { name: 'stable', pool: 'stable', weight: 100 - canary },
        { name: 'canary', pool: 'canary', weight: canary },
      ],
    },
  ],
})

let edge: Lab

beforeAll(async () => {
  edge = await lab(config(), { FOURSEVEN_OPERATOR_TOKEN: TOKEN })
})

async function operate(path: string, body?: object, headers: Record<string, string> = {}, on = edge) {
  const answer = await on.ask(`/.fourseven/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = answer.body.toString()
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
}

const weigh = (stable: number, canary: number) => ({
  command: { do: 'weight', split: 'shop', weights: { stable, canary } },
  author: 'ann',
  reason: 'a test',
})

describe('the operator API', () => {
  it('wants the token, and slows those who guess', async () => {
    const guess = (token: string) => edge.ask('/.fourseven/overlay', { headers: { authorization: `Bearer ${token}` } })
    const statuses = new Set<number>()
    for (let i = 0; i < 40 && !statuses.has(429); i++) statuses.add((await guess(`guess${i}`)).status)
    expect([...statuses]).toEqual([401, 429])
    expect((await guess(TOKEN)).status).toBe(200)
  })

  it('serves its OpenAPI document', async () => {
    const { status, body } = await operate('openapi.json')
    expect([status, body.openapi]).toEqual([200, '3.1.0'])
    const posted = body.paths['/.fourseven/changes'].post.requestBody.content['application/json'].schema
    expect(Object.keys(posted.properties)).toEqual(['command', 'author', 'reason', 'ifVersion'])
    expect(posted.properties.command.oneOf ?? posted.properties.command.anyOf).toHaveLength(6)
  })

  it('changes weights, tells what moved, and gives a relay the overlay by its ETag', async () => {
    const { version } = (await operate('overlay')).body.overlay
    const changed = await operate('changes', weigh(75, 25))
    expect(changed.status, JSON.stringify(changed.body)).toBe(200)
    expect(changed.body).toEqual({
      version: version + 1,
      isChanged: true,
      moved: { slots: 13_107, least: 13_107 },
      retired: [],
      ignored: [],
    })
    const { headers, body } = await operate('overlay')
    expect(body.overlay.splits).toMatchObject([{ split: 'shop', weights: [75, 25], releases: 0 }])
    expect(Math.abs(body.at - Date.now())).toBeLessThan(60_000)
    const same = await operate('overlay', undefined, { 'if-none-match': headers.etag! })
    expect([same.status, same.body]).toEqual([304, undefined])
    expect((await operate('changes', weigh(75, 25))).body).toMatchObject({ version: version + 1, isChanged: false })
  })

  it('tells who changed what and why, newest first, and takes it back', async () => {
    await operate('changes', weigh(60, 40))
    const drained = await operate('changes', { command: { do: 'drain', endpoint: 'stable/a' }, author: 'bob' })
    const [last, before] = (await operate('history?most=2')).body.changes
    expect(last).toMatchObject({ version: drained.body.version, author: 'bob', reason: '', undoneBy: null })
    expect(before).toMatchObject({ author: 'ann', reason: 'a test', command: { do: 'weight' } })

    const undone = await operate('undo', { author: 'ann', reason: 'oh' })
    expect(undone.body).toMatchObject({ undone: drained.body.version, version: drained.body.version + 1 })
    expect((await operate('overlay')).body.overlay.drains).toEqual([])
    const older = await operate('undo', { author: 'ann', version: before.version })
    expect(older.body).toMatchObject({ undone: before.version, isChanged: true })
    expect((await operate('undo', { author: 'ann', version: before.version })).status).toBe(409)
    expect((await operate('undo', { author: 'ann', version: 999_999 })).status).toBe(404)
    const again = await operate('undo', { author: 'ann', version: older.body.version })
    expect((await operate('overlay')).body.overlay.splits).toMatchObject([{ weights: [60, 40] }])
    const standing = (await operate('history')).body.changes.find(
      (each: { version: number }) => each.version === before.version,
    )
    expect([again.status, standing.undoneBy]).toEqual([200, null])
  })

  it('gives the same key the first answer, once done', async () => {
    const key = { 'idempotency-key': 'once' }
    const first = await operate('changes', weigh(51, 49), key)
    const second = await operate('changes', weigh(51, 49), key)
    expect(second.body).toEqual(first.body)
    expect((await operate('overlay')).body.overlay.version).toBe(first.body.version)
    const other = await operate('changes', weigh(50, 50), key)
    expect([other.status, other.body.problems[0].code]).toEqual([422, 'key-reused'])
    const undo = { author: 'ann', reason: '' }
    const undone = await operate('undo', undo, { 'idempotency-key': 'back' })
    expect((await operate('undo', undo, { 'idempotency-key': 'back' })).body).toEqual(undone.body)
  })

  it('lets one of two writers win who saw the same version, and names what holds to the other', async () => {
    const { version } = (await operate('overlay')).body.overlay
    const both = await Promise.all(
      [1, 2, 3, 4].map(canary => operate('changes', { ...weigh(9, canary), ifVersion: version })),
    )
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409])
    const lost = both.find(({ status }) => status === 409)!
    expect(lost.body).toMatchObject({
      version: version + 1,
      problems: [{ code: 'version-conflict', path: 'ifVersion' }],
    })
  })

  it.each([
    ['{', 400, 'bad-syntax', ''],
    [{}, 400, 'missing-field', 'command'],
    [{ command: { do: 'explode' }, author: 'a' }, 400, 'unknown-value', 'command.do'],
    [{ command: { do: 'drain', endpoint: 'stable/z' }, author: 'a' }, 404, 'unknown-endpoint', 'endpoint'],
    [{ ...weigh(1, 1), author: '' }, 400, 'empty-text', 'author'],
    [{ ...weigh(1, 1), x: 1 }, 400, 'unknown-key', ''],
    [{ ...weigh(0, 0) }, 400, 'zero-weights', 'weights'],
    ['x'.repeat(70_000), 413, 'too-large', ''],
  ])('refuses %j: %s %s', async (body, status, code, path) => {
    const answer = await edge.ask('/.fourseven/changes', {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}` },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    expect(answer.status, answer.body.toString()).toBe(status)
    expect(JSON.parse(answer.body.toString()).problems[0]).toMatchObject({ code, path, severity: 'error' })
  })
})

it('a flood of changes is held back, and none of those accepted is lost', async () => {
  const other = await lab(config(), { FOURSEVEN_OPERATOR_TOKEN: TOKEN })
  const answers = await Promise.all(
    Array.from({ length: 120 }, (_, i) => operate('changes', weigh(1_000, i + 1), {}, other)),
  )
  const accepted = answers.filter(({ status }) => status === 200)
  expect(answers.filter(({ status }) => status === 429).length + accepted.length).toBe(120)
  expect(accepted.length).toBeLessThan(120)
  const { changes } = (await operate('history?most=200', undefined, {}, other)).body
  expect(changes.map((each: { version: number }) => each.version)).toEqual(
    accepted.map(({ body }) => body.version).sort((a, b) => b - a),
  )
})

it('a deploy that changes the base retires the entry and says so, and its going back brings it back', async () => {
  const other = await lab(config(), { FOURSEVEN_OPERATOR_TOKEN: TOKEN })
  await operate('changes', weigh(1, 1), {}, other)
  const variables = { FOURSEVEN_OPERATOR_TOKEN: TOKEN }
  await other.reload(parse(config(50), { variables: {} }).config, variables)
  const drain = { command: { do: 'drain', endpoint: 'stable/a' }, author: 'a' }
  const said = await operate('changes', drain, {}, other)
  expect(said.body).toMatchObject({ version: 2, retired: [{ kind: 'split', name: 'shop' }] })
  expect((await operate('status', undefined, {}, other)).body).toMatchObject({
    retired: [{ kind: 'split', name: 'shop' }],
    splits: [{ split: 'shop', variants: [{ weight: 50 }, { weight: 50 }] }],
  })
  await other.reload(parse(config(), { variables: {} }).config, variables)
  expect((await operate('undo', { author: 'a' }, {}, other)).body).toMatchObject({ version: 3, undone: 2, retired: [] })
})

it('an undo that was undone twice over stands, and what it took back does not', async () => {
  const other = await lab(config(), { FOURSEVEN_OPERATOR_TOKEN: TOKEN })
  await operate('changes', weigh(1, 1), {}, other)
  for (const version of [1, 2, 3]) {
    expect((await operate('undo', { author: 'a', version }, {}, other)).body).toMatchObject({ undone: version })
  }
  const { changes } = (await operate('history', undefined, {}, other)).body
  const undoneBy = changes.map((each: { version: number; undoneBy: number | null }) => [each.version, each.undoneBy])
  expect(undoneBy).toEqual([
    [4, null],
    [3, 4],
    [2, null],
    [1, 2],
  ])
})

it("an operator's request is in no count and has no record; a change and a refusal have a line of their own", async () => {
  const other = await lab(config(), { FOURSEVEN_OPERATOR_TOKEN: TOKEN })
  await operate('status', undefined, {}, other)
  await operate('changes', weigh(1, 1), {}, other)
  await operate('changes', { ...weigh(0, 0) }, {}, other)
  await other.ask('/.fourseven/status', { headers: { authorization: 'Bearer guess' } })
  // Nobody listens at its endpoints: 502 is counted like any answer.
  await other.ask('/client')
  await other.recordOf('/client')
  const metrics = await other.ask('/.fourseven/metrics', { headers: { authorization: `Bearer ${TOKEN}` } })
  const requests = /^fourseven_requests_total\{.*\} (\d+)$/gm
  expect([...metrics.body.toString().matchAll(requests)].map(([, count]) => count)).toEqual(['1'])
  expect(other.records.map(({ event, method, path, status }) => [event, method, path, status])).toEqual([
    ['operator_request', 'POST', '/.fourseven/changes', 200],
    ['operator_request', 'POST', '/.fourseven/changes', 400],
    ['operator_request', 'GET', '/.fourseven/status', 401],
    [undefined, 'GET', '/client', 502],
  ])
  expect(JSON.stringify(other.records)).not.toContain(TOKEN)
})
