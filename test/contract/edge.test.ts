// The contract table through the Worker in workerd, with real endpoints.

import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Answer, type EdgeRecord, endpoint, type Lab, lab, type Seen } from '../workers/lab.ts'
import { type Case, type Suite, suites } from './cases.ts'

for (const suite of suites.filter(isHttp)) {
  describe(`edge: ${suite.name}`, () => {
    let edge: Lab
    let asked = 0

    beforeAll(async () => {
      const [one, two, three] = await Promise.all([teller('one'), teller('two'), teller('three')])
      edge = await lab(suite.config, { ONE: one.address, TWO: two.address, THREE: three.address })
    })

    for (const one of suite.cases) {
      if (one.coreOnly === true) continue
      it(one.it, async () => {
        const answer = await ask(edge, one)
        asked += 1
        check(one, answer, await recordNumber(edge, asked))
      })
    }
  })
}

function isHttp(suite: Suite): boolean {
  return Object.values(suite.config.listeners).some(listener => listener.kind === 'edge')
}

/** Says what came, and a header of its own that filters may remove. */
function teller(name: string) {
  return endpoint((request, response) => {
    request.resume()
    const seen = { endpoint: name, method: request.method, url: request.url, headers: request.headers }
    response.setHeader('x-internal', 'yes')
    response.setHeader('access-control-allow-origin', 'https://endpoint.test')
    response.setHeader('x-fourseven-instances', String(request.headers['x-fourseven-instances']))
    response.setHeader('vary', 'Accept-Encoding')
    response.end(JSON.stringify(seen))
  })
}

function ask(edge: Lab, one: Case): Promise<Answer> {
  const [method, target] = one.ask.split(' ') as [string, string]
  const [, authority, path] = /^http:\/\/([^/]+)(.*)$/.exec(target)!
  const host = /^[\x20-\x7e]+$/.test(authority!) ? authority! : new URL(target).host
  const headers = { ...one.with, ...(one.from === undefined ? {} : { 'cf-connecting-ip': one.from }) }
  return edge.ask(path!, { method, host, headers })
}

async function recordNumber(edge: Lab, count: number): Promise<EdgeRecord> {
  for (let waited = 0; edge.records.length < count && waited < 5_000; waited += 5) await sleep(5)
  expect(edge.records.length).toBe(count)
  return edge.records[count - 1]!
}

function check({ get }: Case, answer: Answer, record: EdgeRecord): void {
  expect(record['rule'] === null ? null : `${record['route']}/${record['rule']}`).toBe(get.rule)
  if (get.variant !== undefined) expect(record['variant']).toBe(get.variant)
  expect(record['reason']).toBe(get.reason ?? (get.rule === null ? 'destination_not_found' : null))
  const isForwarded = get.rule !== null && get.status === undefined
  expect(answer.status).toBe(get.status ?? (isForwarded ? 200 : 404))
  const method = record['method']
  if (isForwarded && method !== 'HEAD') {
    const seen: Seen = answer.seen
    if (get.pool !== undefined) expect(seen.endpoint).toBe(get.pool)
    if (get.sees?.path !== undefined) expect(seen.url).toBe(get.sees.path)
    for (const [name, value] of Object.entries(get.sees?.headers ?? {})) {
      expect(seen.headers[name] ?? null, name).toBe(value)
    }
  }
  if (get.location !== undefined) expect(answer.headers.location).toBe(get.location)
  if (get.body !== undefined) expect(answer.body.toString()).toBe(get.body)
  if (get.cookies !== undefined) expect(answer.setCookie.map(line => line.split('=')[0])).toEqual(get.cookies)
  for (const [name, value] of Object.entries(get.answer ?? {})) expect(answer.headers[name] ?? null, name).toBe(value)
}
