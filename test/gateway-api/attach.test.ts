// Which listeners take a route: by name, section, port, kind, namespace and hostname; what does not attach is said.

import { describe, expect, test } from 'vitest'
import type { HttpRouteInput } from '../../shared/config/config-http.ts'
import { API, file, gateway, grant, http, httpRoute, imported, route, said, service, to } from './manifests.ts'

const rule = { backendRefs: [to('app')] }
const plain = service('app')

/** The listeners of the route `app`; undefined when it is not there. */
function listenersOf(...objects: object[]): readonly string[] | undefined {
  const found = imported(file(...objects)).config!.routes.find(({ name }) => name === 'app' || name === 'shop:app')
  return found === undefined ? undefined : [found.listener ?? []].flat()
}

describe('a parentRef', () => {
  const two = gateway([
    { ...http, name: 'one', hostname: 'one.test' },
    { ...http, name: 'two', hostname: 'two.test', port: 8080 },
  ])
  const at = (...parentRefs: object[]) => listenersOf(two, plain, httpRoute(rule, { parentRefs }))

  test('without more is every listener', () => expect(at({ name: 'web' })).toEqual(['web:one', 'web:two']))
  test('names one by section', () => expect(at({ name: 'web', sectionName: 'two' })).toEqual(['web:two']))
  test('names those of a port', () => expect(at({ name: 'web', port: 80 })).toEqual(['web:one']))
  test('asks for both where both are said', () => {
    expect(at({ name: 'web', port: 8080, sectionName: 'two' })).toEqual(['web:two'])
    expect(at({ name: 'web', port: 80, sectionName: 'two' })).toBeUndefined()
  })
  test('to nobody attaches nowhere', () => {
    expect(at({ name: 'other' })).toBeUndefined()
    expect(at({ name: 'web', namespace: 'other' })).toBeUndefined()
    expect(at({ name: 'web', sectionName: 'three' })).toBeUndefined()
  })
  test('beside others that come to nothing still attaches', () => {
    const result = imported(
      file(two, plain, httpRoute(rule, { parentRefs: [{ name: 'gone' }, { name: 'web', sectionName: 'one' }] })),
    )
    expect(result.config!.routes[0]).toMatchObject({ listener: 'web:one' })
    expect(said(result)).toEqual([expect.stringMatching(/^warning \d+ not-attached$/)])
  })
  test('to a Service is for a mesh', () => {
    const result = imported(
      file(two, plain, httpRoute(rule, { parentRefs: [{ group: '', kind: 'Service', name: 'app' }] })),
    )
    expect(said(result)).toEqual([expect.stringMatching(/^not-carried \d+ mesh-route$/)])
  })
})

describe('hostnames', () => {
  const on = (listener: string | undefined, hostnames: readonly string[] | undefined) =>
    listenersOf(
      gateway([{ ...http, ...(listener === undefined ? {} : { hostname: listener }) }]),
      plain,
      httpRoute(rule, hostnames === undefined ? {} : { hostnames }),
    ) !== undefined
  test.each([
    ['very.specific.com', ['very.specific.com'], true],
    ['very.specific.com', ['*.specific.com'], true],
    ['very.specific.com', ['non.matching.com'], false],
    ['*.wildcard.io', ['foo.bar.wildcard.io'], true],
    ['*.wildcard.io', ['*.anotherwildcard.io'], false],
    ['*.wildcard.io', ['wildcard.io'], false],
    ['*.anotherwildcard.io', ['*.anotherwildcard.io'], true],
    ['foo.com', undefined, true],
    [undefined, ['any.com'], true],
  ] as const)('listener %s and route %s meet: %s', (listener, hostnames, meets) => {
    expect(on(listener, hostnames)).toBe(meets)
  })
})

describe('a listener lets in', () => {
  const labelled = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { team: 'shop' } } }
  const from = (namespaces: object | undefined, ...more: object[]) =>
    listenersOf(
      gateway([{ ...http, ...(namespaces === undefined ? {} : { allowedRoutes: { namespaces } }) }]),
      service('app', 'shop'),
      httpRoute(rule, { parentRefs: [{ name: 'web', namespace: 'default' }] }, { namespace: 'shop' }),
      ...more,
    ) !== undefined

  test('its own namespace unless it says otherwise', () => {
    expect(from(undefined)).toBe(false)
    expect(from({ from: 'Same' })).toBe(false)
    expect(from({ from: 'All' })).toBe(true)
  })
  test('namespaces by their labels', () => {
    const by = (selector: object) => ({ from: 'Selector', selector })
    expect(from(by({ matchLabels: { team: 'shop' } }), labelled)).toBe(true)
    expect(from(by({ matchLabels: { team: 'blog' } }), labelled)).toBe(false)
    expect(from(by({ matchLabels: { team: 'shop' } }))).toBe(false)
    expect(from(by({ matchLabels: { 'kubernetes.io/metadata.name': 'shop' } }))).toBe(true)
    const asks = (operator: string, values?: string[]) =>
      by({ matchExpressions: [{ key: 'team', operator, ...(values ? { values } : {}) }] })
    expect(from(asks('In', ['shop', 'blog']), labelled)).toBe(true)
    expect(from(asks('NotIn', ['shop']), labelled)).toBe(false)
    expect(from(asks('Exists'), labelled)).toBe(true)
    expect(from(asks('DoesNotExist'), labelled)).toBe(false)
  })
  test('kinds that it names', () => {
    const kinds = (...names: string[]) =>
      listenersOf(
        gateway([{ ...http, allowedRoutes: { kinds: names.map(kind => ({ kind })) } }]),
        plain,
        httpRoute(rule),
      )
    expect(kinds('HTTPRoute')).toEqual(['web:http'])
    expect(kinds('GRPCRoute')).toBeUndefined()
  })
})

describe('listeners that cannot be told apart', () => {
  test('are none of them served', () => {
    const result = imported(
      file(gateway([http, { ...http, name: 'again' }, { ...http, name: 'other', port: 81, hostname: 'x.test' }])),
    )
    expect(Object.keys(result.config!.listeners)).toEqual(['web:other'])
    expect(said(result).map(text => text.split(' ').at(-1))).toEqual(['conflicted', 'conflicted'])
  })
  test('of a ListenerSet give way to those of the Gateway, and the younger set to the older', () => {
    const set = (name: string, created: string, listeners: object[]) => ({
      apiVersion: API,
      kind: 'ListenerSet',
      metadata: { name, creationTimestamp: created },
      spec: { parentRef: { name: 'web' }, listeners },
    })
    const result = imported(
      file(
        gateway([{ ...http, hostname: 'a.test' }], { allowedListeners: { namespaces: { from: 'Same' } } }),
        set('young', '2026-02-01T00:00:00Z', [
          { ...http, name: 'b', hostname: 'b.test' },
          { ...http, name: 'c', hostname: 'c.test' },
        ]),
        set('old', '2026-01-01T00:00:00Z', [
          { ...http, name: 'a', hostname: 'a.test' },
          { ...http, name: 'b', hostname: 'b.test' },
        ]),
      ),
    )
    expect(Object.keys(result.config!.listeners)).toEqual(['web:http', 'old:b', 'young:c'])
  })
  test('a ListenerSet that its Gateway does not let in is said', () => {
    const set = {
      apiVersion: 'gateway.networking.x-k8s.io/v1alpha1',
      kind: 'XListenerSet',
      metadata: { name: 'more' },
      spec: { parentRef: { name: 'web' }, listeners: [http] },
    }
    const result = imported(file(gateway([{ ...http, hostname: 'a.test' }]), set))
    expect(Object.keys(result.config!.listeners)).toEqual(['web:http'])
    expect(said(result)).toEqual([expect.stringMatching(/^warning \d+ not-allowed$/)])
  })
})

test('a backend of another namespace needs a grant that names kind and namespace', () => {
  const across = httpRoute({ backendRefs: [to('app', { namespace: 'back' })] })
  const action = (...more: object[]) =>
    imported(file(gateway([http]), service('app', 'back'), across, ...more)).config!.routes[0] as HttpRouteInput
  const from = { kind: 'HTTPRoute', namespace: 'default' }
  expect(action()).toMatchObject({ reply: { status: 500 } })
  expect(action(grant('back', from))).toMatchObject({ pool: 'back:app:8080' })
  expect(action(grant('back', from, { kind: 'Service', name: 'app' }))).toMatchObject({ pool: 'back:app:8080' })
  expect(action(grant('back', from, { kind: 'Service', name: 'other' }))).toMatchObject({ reply: { status: 500 } })
  expect(action(grant('back', { ...from, kind: 'GRPCRoute' }))).toMatchObject({ reply: { status: 500 } })
  expect(action(grant('default', from))).toMatchObject({ reply: { status: 500 } })
})

test('of an HTTPRoute and a GRPCRoute that meet on a listener the older is taken', () => {
  const calls = route(
    'GRPCRoute',
    { backendRefs: [to('app')] },
    {},
    { name: 'calls', creationTimestamp: '2026-01-02T00:00:00Z' },
  )
  const pages = httpRoute(rule, {}, { creationTimestamp: '2026-01-01T00:00:00Z' })
  const result = imported(file(gateway([http]), plain, calls, pages))
  expect(result.config!.routes.map(({ name }) => name)).toEqual(['app'])
})

test('routes stand in the order of their age, then of namespace and name', () => {
  const named = (name: string, created?: string) =>
    httpRoute(rule, {}, { name, ...(created === undefined ? {} : { creationTimestamp: created }) })
  const text = file(
    gateway([http]),
    plain,
    named('z'),
    named('b', '2026-01-02T00:00:00Z'),
    named('c', '2026-01-01T00:00:00Z'),
    named('a'),
  )
  expect(imported(text).config!.routes.map(({ name }) => name)).toEqual(['c', 'b', 'a', 'z'])
})

describe('what one port cannot do', () => {
  const https = { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'web' }] } }
  const through = { name: 'through', port: 443, protocol: 'TLS', hostname: 'raw.test', tls: { mode: 'Passthrough' } }
  const certificates = { folder: 'certs', files: new Set(['web.crt', 'web.key']) }

  test('HTTPS and TLS that passes through: the first is served, the other listed', () => {
    const result = imported(file(gateway([https, through])), { isEdge: false, certificates })
    expect(Object.keys(result.config!.listeners)).toEqual(['web:https'])
    expect(said(result)).toEqual([expect.stringMatching(/^not-carried \d+ address-taken$/)])
  })

  test('two Gateways on one port are set apart, unless they are told to listen at one place', () => {
    const two = file(gateway([http]), gateway([http], {}, { name: 'other' }))
    const apart = imported(two, { isEdge: false })
    expect(Object.values(apart.config!.listeners)).toEqual([
      { kind: 'http', address: '127.0.0.1:80' },
      { kind: 'http', address: '127.0.0.2:80' },
    ])
    const named = imported(two, {
      isEdge: false,
      listen: new Map([
        ['web', '10.0.0.1'],
        ['default/other', '10.0.0.2'],
      ]),
    })
    expect(Object.values(named.config!.listeners)).toMatchObject([
      { address: '10.0.0.1:80' },
      { address: '10.0.0.2:80' },
    ])
    const together = imported(two, { isEdge: false, listen: new Map([['*', '10.0.0.1']]) })
    expect(Object.keys(together.config!.listeners)).toEqual(['web:http'])
    expect(said(together)).toEqual([expect.stringMatching(/^not-carried \d+ address-taken$/)])
  })
})
