// Runs the cases through a door: an endpoint that answers as the step says, a client that looks at what it gets.

import { expect, test } from 'vitest'
import { endpoint } from '../workers/lab.ts'
import { type CacheCase, cases, type Expected, rules, type ScriptedAnswer, type Step } from './cases.ts'

/** What a door answered; status 0 when the answer broke off. */
export interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

export interface CacheDoor {
  ask(path: string, asked: { method: string; headers: Record<string, string | string[]> }): Promise<Got>
}

/** @param open a door with one route for each of `rules`, under its name, in front of this endpoint */
export function runCacheCases(door: string, open: (endpoint: string, rules: object) => Promise<CacheDoor>): void {
  const scripts = new Map<string, ScriptedAnswer>()
  const seen = new Map<string, Readonly<Record<string, unknown>>>()
  const opened = (async () => {
    const origin = await endpoint((request, response) => {
      request.resume()
      seen.set(request.url!, request.headers)
      const script = scripts.get(request.url!)
      const isConditional = 'if-none-match' in request.headers || 'if-modified-since' in request.headers
      const said = isConditional ? script : (script?.unasked ?? script)
      const { status = 200, headers = {}, body = '', breaks } = said ?? {}
      if (breaks === 'before') return void request.socket.resetAndDestroy()
      response.statusCode = status
      response.setHeader('content-type', 'application/octet-stream')
      for (const [name, value] of Object.entries(headers)) {
        const path = request.url!.split('?', 1)[0]!
        response.setHeader(name, typeof value === 'string' ? value.replace('{path}', path) : (value as string[]))
      }
      if (breaks === 'within') return void response.write(body, () => request.socket.destroy())
      response.end(status === 304 || request.method === 'HEAD' ? undefined : body)
    })
    return open(origin.address, rules)
  })()

  for (const [index, one] of cases.entries()) {
    test(`${door}: ${one.section}: ${one.says}`, async () => {
      const at = await opened
      for (const [place, step] of one.steps.entries()) {
        await expectStep(at, `/${one.rule ?? 'plain'}/${index}`, step, `${one.says}, request ${place + 1}`)
      }
    })
  }

  async function expectStep(at: CacheDoor, path: string, step: Step, where: string): Promise<void> {
    const url = path + (step.query ?? '')
    scripts.set(url, step.answer ?? { status: 599, body: 'nobody was to be asked' })
    seen.delete(url)
    const headers = { ...step.headers } as Record<string, string | string[]>
    const got = await at.ask(url, { method: step.method ?? 'GET', headers })
    expectGot(got, step.gets, seen.get(url), where)
    if (/; stored|ttl=-/.test(String(got.headers['cache-status']))) await untilStored(at, url, headers, seen)
  }
}

function expectGot(
  got: Got,
  gets: Expected,
  asked: Readonly<Record<string, unknown>> | undefined,
  where: string,
): void {
  if (gets.status !== undefined) expect(got.status, where).toBe(gets.status)
  if (gets.body !== undefined) expect(String(got.body), where).toBe(gets.body)
  for (const [name, value] of Object.entries(gets.headers ?? {})) {
    const said = got.headers[name]
    if (value === null) expect(said, `${where}: ${name}`).toBeUndefined()
    else if (typeof value === 'string') expect(said, `${where}: ${name}`).toBe(value)
    else expect(String(said), `${where}: ${name}`).toMatch(value)
  }
  if (gets.asked === 'nothing') expect(asked, `${where}: no endpoint is asked`).toBeUndefined()
  else if (gets.asked !== undefined) {
    expect(asked, `${where}: an endpoint is asked`).toBeDefined()
    for (const [name, value] of Object.entries(gets.asked ?? {}))
      expect(asked![name], `${where}: ${name}`).toBe(value ?? undefined)
  }
}

/** The store is written while the client reads: the next step has to find it done. */
async function untilStored(
  at: CacheDoor,
  url: string,
  headers: Record<string, string | string[]>,
  seen: Map<string, unknown>,
): Promise<void> {
  const quiet = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(if-|range|cache-control|pragma)/.test(name)),
  )
  for (let turn = 0; turn < 300; turn++) {
    const { status } = await at.ask(url, {
      method: 'GET',
      headers: { ...quiet, 'cache-control': 'only-if-cached, max-stale' },
    })
    if (status !== 504) break
    await new Promise(done => setTimeout(done, 10))
  }
  seen.delete(url)
}

export type { CacheCase }
