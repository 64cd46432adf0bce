// Manifests that an API server would refuse, and files that are none: a clear word with file and line, and no config.

import { describe, expect, test } from 'vitest'
import { API, file, gateway, http, httpRoute, imported, service, to } from './manifests.ts'

const app = [gateway([http]), service('app')]

/** What a rule with one change makes of the file: severity, code and field of each note. */
function faultsOf(rule: object): string[] {
  const { config, notes } = imported(file(...app, httpRoute({ backendRefs: [to('app')], ...rule })))
  expect(config).toBeUndefined()
  const faults = notes.filter(({ severity }) => severity === 'error')
  for (const { line, file: name, mend, object } of faults) {
    expect(name).toBe('file.yaml')
    expect(line).toBeGreaterThan(10)
    expect(mend).not.toBe('')
    expect(object).toBe('HTTPRoute default/app')
  }
  return faults.map(({ code, field }) => `${code} ${field}`)
}

describe('a faulty rule', () => {
  const path = (value: string, type = 'PathPrefix') => ({ matches: [{ path: { type, value } }] })
  const filter = (one: object) => ({ filters: [one] })
  test.each([
    ['a path without slash', path('app'), 'bad-path spec.rules[0].matches[0].path.value'],
    ['a path with two slashes', path('/a//b'), 'bad-path spec.rules[0].matches[0].path.value'],
    ['a path with a dot segment', path('/a/../b', 'Exact'), 'bad-path spec.rules[0].matches[0].path.value'],
    ['a path with an encoded slash', path('/a%2Fb'), 'bad-path spec.rules[0].matches[0].path.value'],
    ['a kind of path that is none', path('/a', 'Glob'), 'unknown-value spec.rules[0].matches[0].path.type'],
    ['a method in lower case', { matches: [{ method: 'get' }] }, 'unknown-value spec.rules[0].matches[0].method'],
    [
      'a header match without value',
      { matches: [{ headers: [{ name: 'a' }] }] },
      'missing-field spec.rules[0].matches[0].headers[0].value',
    ],
    [
      'a weight below zero',
      { backendRefs: [to('app', { weight: -1 })] },
      'bad-weight spec.rules[0].backendRefs[0].weight',
    ],
    [
      'a port of text',
      { backendRefs: [{ name: 'app', port: '8080' }] },
      'wrong-type spec.rules[0].backendRefs[0].port',
    ],
    ['a timeout that is none', { timeouts: { request: '10 s' } }, 'bad-duration spec.rules[0].timeouts.request'],
    [
      'a try that outlasts the request',
      { timeouts: { request: '1s', backendRequest: '2s' } },
      'bad-timeouts spec.rules[0].timeouts.backendRequest',
    ],
    [
      'a redirect beside backends',
      filter({ type: 'RequestRedirect', requestRedirect: { hostname: 'b.test' } }),
      'redirect-and-backends spec.rules[0].backendRefs',
    ],
    [
      'a redirect of a status that is none',
      filter({ type: 'RequestRedirect', requestRedirect: { statusCode: 300 } }),
      'unknown-value spec.rules[0].filters[0].requestRedirect.statusCode',
    ],
    ['a filter without its field', filter({ type: 'URLRewrite' }), 'missing-field spec.rules[0].filters[0]'],
    [
      'a filter with the field of another',
      filter({ type: 'URLRewrite', urlRewrite: {}, cors: {} }),
      'filter-type spec.rules[0].filters[0].cors',
    ],
    [
      'a prefix replaced where none is matched',
      {
        ...path('/a', 'Exact'),
        filters: [
          { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } } },
        ],
      },
      'prefix-without-match spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch',
    ],
    [
      'a mirror of percent and fraction',
      filter({
        type: 'RequestMirror',
        requestMirror: { backendRef: to('app'), percent: 5, fraction: { numerator: 1 } },
      }),
      'percent-and-fraction spec.rules[0].filters[0].requestMirror',
    ],
  ])('%s', (_, rule, expected) => expect(faultsOf(rule)).toEqual([expected]))

  test('a second filter of one type, and a redirect beside a rewrite', () => {
    const edit = { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'a', value: 'b' }] } }
    expect(faultsOf({ filters: [edit, edit] })).toEqual(['duplicate-filter spec.rules[0].filters[1]'])
    const redirect = { type: 'RequestRedirect', requestRedirect: { hostname: 'b.test' } }
    const rewrite = { type: 'URLRewrite', urlRewrite: { hostname: 'b.test' } }
    expect(faultsOf({ filters: [redirect, rewrite], backendRefs: [] })).toEqual([
      'redirect-and-rewrite spec.rules[0].filters',
    ])
  })
})

test('every fault of a file is told at once, with the line it stands in', () => {
  const text = `apiVersion: ${API}
kind: Gateway
metadata:
  name: web
spec:
  gatewayClassName: any
  listeners:
    - name: http
      port: 80000
      protocol: HTTP
---
apiVersion: ${API}
kind: HTTPRoute
metadata:
  name: app
spec:
  parentRefs:
    - name: web
  rules:
    - matches:
        - path: { type: Prefix, value: / }
`
  const { config, notes } = imported(text)
  expect(config).toBeUndefined()
  const errors = notes.filter(({ severity }) => severity === 'error')
  expect(errors.map(({ line, field }) => `${line} ${field}`)).toEqual([
    '9 spec.listeners[0].port',
    '21 spec.rules[0].matches[0].path.type',
  ])
})

test.each([
  ['broken YAML', 'kind: [', 'bad-syntax'],
  ['a list', '- a\n- b\n', 'no-manifest'],
  ['a text', 'hello', 'no-manifest'],
  ['no kind', 'apiVersion: v1\nmetadata: { name: a }\n', 'no-manifest'],
  ['no name', 'apiVersion: v1\nkind: Service\nmetadata: {}\n', 'no-name'],
  [
    'a key that stands twice',
    `apiVersion: ${API}\nkind: HTTPRoute\nkind: Gateway\nmetadata: { name: a }\nspec: { listeners: [], gatewayClassName: a }\n`,
    'duplicate-key',
  ],
])('%s is told with its line', (_, text, code) => {
  const { config, notes } = imported(text)
  expect(config).toBeUndefined()
  expect(notes[0]).toMatchObject({ severity: 'error', code, file: 'file.yaml' })
  expect(notes[0]!.line).toBeGreaterThan(0)
})

test('a field that is not known is listed and the rest is read', () => {
  const { config, notes } = imported(file(...app, httpRoute({ backendRefs: [to('app')], filter: [], timeoutz: {} })))
  expect(Object.keys(config!.pools)).toEqual(['app:8080'])
  const unknown = notes.filter(({ code }) => code === 'unknown-field')
  expect(unknown.map(({ severity, field, mend }) => [severity, field, mend])).toEqual([
    ['not-carried', 'spec.rules[0].filter', 'Did you mean "filters"?'],
    ['not-carried', 'spec.rules[0].timeoutz', 'Did you mean "timeouts"?'],
  ])
})

test('what is inside a List is told where it stands in the file', () => {
  const text = `apiVersion: v1
kind: List
items:
  - apiVersion: ${API}
    kind: Gateway
    metadata: { name: web }
    spec:
      gatewayClassName: any
      listeners:
        - { name: http, port: 80, protocol: HTTP, hostname: 'a b' }
`
  expect(imported(text).notes[0]).toMatchObject({ code: 'bad-hostname', line: 10, object: 'Gateway default/web' })
})
