// A canary rolled out and back before the eyes of 5,000 users, each with a cookie jar: nobody moves but with the weights.

import http from 'node:http'
import { beforeAll, expect, it, vi } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import { type Lab, lab } from './lab.ts'

interface Jar {
  /** `name=value` of what was set last. */
  cookie: string | undefined
  variant: string
  /** How often a cookie was set. */
  setCookies: number
}

// 5,000 requests a test: some seconds on an idle machine.
vi.setConfig({ testTimeout: 120_000 })

let edge: Lab
const agent = new http.Agent({ keepAlive: true })
const jars: Jar[] = Array.from({ length: 5_000 }, () => ({ cookie: undefined, variant: '', setCookies: 0 }))

beforeAll(async () => {
  edge = await lab(input(5), { FOURSEVEN_COOKIE_KEY: 'first key' })
  return () => agent.destroy()
})

it('at 5 % each user is given a cookie, and the share is what was asked for', async () => {
  await askAll()
  expect(jars.every(jar => jar.setCookies === 1 && jar.cookie!.startsWith('fs_id='))).toBe(true)
  expect(new Set(jars.map(jar => jar.cookie)).size).toBe(jars.length)
  expectShare(0.05)
})

it('at 25 %, with a new key in front of the old one, users move to the canary only and keep their cookies', async () => {
  const before = jars.map(jar => jar.variant)
  await edge.reload(parse(input(25), { variables: {} }).config, { FOURSEVEN_COOKIE_KEY: 'second key, first key' })
  await askAll()
  expect(moves(before)).toEqual(['stable -> canary'])
  expect(jars.every(jar => jar.setCookies === 1)).toBe(true)
  expectShare(0.25)
})

it('at 0 % nobody is left on the canary', async () => {
  const before = jars.map(jar => jar.variant)
  await edge.reload(parse(input(0), { variables: {} }).config, { FOURSEVEN_COOKIE_KEY: 'second key, first key' })
  await askAll()
  expect(moves(before)).toEqual(['canary -> stable'])
  expect(jars.every(jar => jar.setCookies === 1)).toBe(true)
  expectShare(0)
})

it('a cookie whose key is gone counts as none, and a new one is given', async () => {
  await edge.reload(parse(input(0), { variables: {} }).config, { FOURSEVEN_COOKIE_KEY: 'second key' })
  const few = jars.slice(0, 20)
  const before = few.map(jar => jar.cookie)
  await Promise.all(few.map(ask))
  for (const [at, jar] of few.entries()) {
    expect(jar.setCookies).toBe(2)
    expect(jar.cookie).not.toBe(before[at])
  }
})

async function askAll(): Promise<void> {
  let next = 0
  const client = async () => {
    while (next < jars.length) await ask(jars[next++]!)
  }
  await Promise.all(Array.from({ length: 16 }, client))
  expect(jars.filter(jar => jar.variant !== 'stable' && jar.variant !== 'canary')).toEqual([])
}

async function ask(jar: Jar): Promise<void> {
  const headers = { host: 'app.test', ...(jar.cookie === undefined ? {} : { cookie: jar.cookie }) }
  await new Promise<void>((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port: edge.port, path: '/', headers, agent }, response => {
      const [set] = response.headers['set-cookie'] ?? []
      if (set !== undefined) {
        jar.cookie = set.split(';')[0]!
        jar.setCookies += 1
      }
      let body = ''
      response.on('data', chunk => {
        body += chunk
      })
      response.on('end', () => {
        jar.variant = body
        resolve()
      })
    })
    request.on('error', reject)
  })
}

function moves(before: readonly string[]): string[] {
  const seen = new Set<string>()
  for (const [at, jar] of jars.entries()) if (jar.variant !== before[at]) seen.add(`${before[at]} -> ${jar.variant}`)
  return [...seen]
}

/** Within five sigma: users draw their own identity, so once in two million runs this fails by chance. */
function expectShare(share: number): void {
  const canaries = jars.filter(jar => jar.variant === 'canary').length
  const sigma = Math.sqrt(jars.length * share * (1 - share))
  expect(Math.abs(canaries - jars.length * share)).toBeLessThanOrEqual(5 * sigma)
}

/** Variants that answer by themselves: endpoints would only double the work. */
function input(canary: number): ConfigInput {
  return {
    listeners: { web: { kind: 'edge' } },
    pools: {},
    routes: [
      {
        name: 'app',
        variants: [
          { name: 'stable', weight: 100 - canary, reply: { status: 200, body: 'stable' } },
          { name: 'canary', weight: canary, reply: { status: 200, body: 'canary' } },
        ],
      },
    ],
  }
}
