// With --edge the same manifests run in the Worker, and what it cannot keep is listed.

import { expect, test } from 'vitest'
import { askAt, endpoint, run } from './lab.ts'
import { file, gateway, http, httpRoute, imported, route, service, to } from './manifests.ts'

test('HTTP routes run at the edge; the endpoint sees its own name', async () => {
  const app = await endpoint('app')
  const rules = [
    {
      matches: [{ path: { value: '/old' } }],
      filters: [
        {
          type: 'RequestRedirect',
          requestRedirect: { scheme: 'https', path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
        },
      ],
    },
    { matches: [{ path: { value: '/gone' } }], backendRefs: [to('gone')] },
    {
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-set', value: 'yes' }] } }],
      backendRefs: [to('app')],
    },
  ]
  const { planes } = await run([gateway([{ ...http, hostname: '*.test' }]), service('app'), httpRoute(rules)], {
    endpoints: { 'default/app:8080': [app.address] },
    isEdge: true,
  })
  const { port } = planes.edge!
  const { saw } = await askAt(port, { host: 'a.test', path: '/x' })
  expect(saw).toMatchObject({
    endpoint: 'app',
    path: '/x',
    headers: { host: app.address, 'x-set': 'yes', 'x-forwarded-host': 'a.test' },
  })
  expect(await askAt(port, { host: 'a.test', path: '/old/x' })).toMatchObject({
    status: 302,
    headers: { location: 'https://a.test/new/x' },
  })
  expect((await askAt(port, { host: 'a.test', path: '/gone' })).status).toBe(500)
  expect((await askAt(port, { host: 'a.other', path: '/x' })).status).toBe(404)
})

test('each rule that the edge cannot keep as it is has its note', () => {
  const objects = [
    gateway([http, { ...http, name: 'again', port: 8080 }]),
    service('app'),
    service('h2', 'default', { appProtocol: 'kubernetes.io/h2c' }),
    httpRoute([{ matches: [{ path: { value: '/h2' } }], backendRefs: [to('h2')] }, { backendRefs: [to('app')] }]),
    route('GRPCRoute', { backendRefs: [to('app')] }, { hostnames: ['calls.test'] }, { name: 'calls' }),
  ]
  const { notes, config } = imported(file(...objects))
  const codes = notes.map(({ severity, code, field }) => `${severity} ${code} ${field}`)
  expect(codes).toContain('warning edge-host spec.rules[1]')
  expect(codes).toContain('not-carried edge-protocol spec.rules[0].backendRefs[0]')
  expect(codes).toContain('not-carried edge-port spec.listeners[1]')
  expect(Object.keys(config!.listeners)).toEqual(['web:http'])
})
