// Listeners of HTTP at one address: apart by hostname, alike in what belongs to connections.

import { expect, test } from 'vitest'
import type { HttpListenerInput } from '../../../shared/config/config-listener.ts'
import { parse } from '../../../shared/config/parse.ts'
import { ConfigError } from '../../../shared/config/problem.ts'
import { isMisdirected } from '../../../shared/decide/http.ts'
import { compile } from '../../../shared/table/compile.ts'
import { httpDoorName } from '../../../shared/table/compile-http.ts'

const at = (more: Partial<HttpListenerInput> = {}): HttpListenerInput => ({
  kind: 'http',
  address: '127.0.0.1:80',
  ...more,
})
const config = (listeners: Record<string, unknown>) => ({
  listeners,
  pools: { app: { endpoints: ['http://a.test'] } },
  routes: [{ name: 'r', listener: Object.keys(listeners), pool: 'app' }],
})

function problemsOf(listeners: Record<string, unknown>): string[] {
  try {
    parse(config(listeners))
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ code, path }) => `${code} ${path}`)
  }
}

const pair = (name: string) => [{ cert: `${name}.crt`, key: `${name}.key` }]

test('they are one door and one place, with the certificates of all', () => {
  const listeners = {
    any: at({ certificates: pair('any') }),
    a: at({ hostnames: ['a.test'], certificates: pair('a') }),
    other: at({ address: '127.0.0.1:81' }),
  }
  const table = compile(parse(config(listeners)).config)
  expect([...table.flowListeners.keys()]).toEqual(['any', 'other'])
  expect(table.flowListeners.get('any')!.ending!.certificates.map(({ cert }) => cert)).toEqual(['any.crt', 'a.crt'])
  expect(table.httpDoors.get(httpDoorName('any'))!.listeners.map(({ name }) => name)).toEqual(['any', 'a'])
  expect(table.httpDoors.has(httpDoorName('a'))).toBe(false)
})

test.each([
  [
    'one hostname on both',
    { a: at({ hostnames: ['a.test'] }), b: at({ hostnames: ['a.test'] }) },
    'duplicate-hostname listeners.b.hostnames',
  ],
  ['any host on both', { a: at(), b: at() }, 'duplicate-hostname listeners.b'],
  [
    'TLS on one',
    { a: at(), b: at({ hostnames: ['b.test'], certificates: pair('b') }) },
    'address-shared-unlike listeners.b.address',
  ],
  [
    'another bound',
    { a: at(), b: at({ hostnames: ['b.test'], maxConnections: 5 }) },
    'address-shared-unlike listeners.b.address',
  ],
  [
    'other clients',
    { a: at(), b: at({ hostnames: ['b.test'], allow: ['10.0.0.0/8'] }) },
    'address-shared-unlike listeners.b.address',
  ],
  ['another kind', { a: at(), b: { kind: 'tcp', address: '127.0.0.1:80' } }, 'duplicate-address listeners.b.address'],
])('%s is told', (_, listeners, expected) => expect(problemsOf(listeners)).toContain(expected))

test('the same hostname at two addresses is fine', () => {
  expect(
    problemsOf({ a: at({ hostnames: ['a.test'] }), b: at({ address: '127.0.0.1:81', hostnames: ['a.test'] }) }),
  ).toEqual([])
})

test('a request is misdirected when its host and its server name belong to two listeners', () => {
  const table = compile(
    parse(
      config({
        any: at(),
        second: at({ hostnames: ['second.test'] }),
        wild: at({ hostnames: ['*.wild.test'] }),
        fourth: at({ hostnames: ['fourth.wild.test'] }),
      }),
    ).config,
  )
  const { listeners } = table.httpDoors.get(httpDoorName('any'))!
  const cases: [serverName: string, host: string, expected: boolean][] = [
    ['a.test', 'a.test', false],
    ['a.test', 'second.test', true],
    ['a.test', 'unknown.test', false],
    ['second.test', 'second.test', false],
    ['second.test', 'a.test', true],
    ['third.wild.test', 'fifth.wild.test', false],
    ['third.wild.test', 'fourth.wild.test', true],
    ['fourth.wild.test', 'fifth.wild.test', true],
    ['unknown.test', 'a.test', false],
  ]
  for (const [serverName, host, expected] of cases)
    expect(isMisdirected(listeners, serverName, host), `${serverName} ${host}`).toBe(expected)
})
