// What the compiler says about configs: tsc over this file is the test, the running part only shows that it is read.

import { describe, expectTypeOf, test } from 'vitest'
import { type ConfigInput, defineConfig } from '../../../shared/config/config.ts'
import type {
  FlowMatchInput,
  FlowRouteInput,
  FlowVariantInput,
  TlsMatchInput,
  UdpRouteInput,
} from '../../../shared/config/config-flow.ts'
import type {
  FiltersInput,
  HttpMatchInput,
  HttpRouteInput,
  HttpVariantInput,
} from '../../../shared/config/config-http.ts'
import type { ListenerInput } from '../../../shared/config/config-listener.ts'
import type { EndpointInput, PoolInput } from '../../../shared/config/config-pool.ts'
import type { SchemaInput } from '../../../shared/config/schema.ts'
import type { flowMatch, flowVariant, tlsMatch } from '../../../shared/config/schema-flow.ts'
import type { httpMatch, httpVariant } from '../../../shared/config/schema-http.ts'
import type { endpoint } from '../../../shared/config/schema-pool.ts'

const listeners = { web: { kind: 'edge' }, db: { kind: 'tcp', address: '127.0.0.1:5432' } } as const
const pools = { app: { endpoints: ['https://app.example.com'] }, sql: { endpoints: ['tcp://sql.example.com:5432'] } }

describe('defineConfig', () => {
  test('takes a route in all its forms', () => {
    const config = defineConfig({
      listeners,
      pools,
      routes: [
        { name: 'one', pool: 'app', match: { path: '/x' }, timeouts: { request: '2s' } },
        {
          name: 'two',
          listener: 'web',
          rules: [{ pool: 'app' }, { match: [{ method: 'GET' }], reply: { status: 200 } }],
        },
        { name: 'three', listener: ['db'], pool: 'sql', match: { address: '10.0.0.0/8' }, timeouts: { idle: '1h' } },
        { name: 'four', listener: 'db', rules: [{ variants: [{ name: 'a', weight: 1, pool: 'sql' }] }] },
      ],
    })
    expectTypeOf(config).toEqualTypeOf<ConfigInput>()
  })

  test('refuses a pool that is not there', () => {
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', pool: 'ap' }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', listener: 'db', pool: 'slq' }] })
    const a = { name: 'a', weight: 1 }
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', variants: [{ ...a, pool: 'x' }] }] })
  })

  test('refuses a listener that is not there', () => {
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', listener: 'wbe', pool: 'app' }] })
  })

  test('refuses at layer 4 what only layer 7 can do', () => {
    const flow = { name: 'f', listener: 'db', pool: 'sql' } as const
    const head = { name: 'f', listener: 'db' } as const
    defineConfig({ listeners, pools, routes: [flow] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ ...flow, match: { path: '/x' } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ ...head, rules: [{ pool: 'sql', match: { path: '/x' } }] }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ ...flow, hostnames: ['a.example'] }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ ...head, reply: { status: 200 } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ ...flow, filters: {} }] })
  })

  test('refuses at layer 7 what only layer 4 can do', () => {
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', pool: 'app', match: { sni: 'app.test' } }] })
  })

  test('takes what is in a ClientHello at a tls listener, and refuses it at a tcp listener', () => {
    const both = { ...listeners, secure: { kind: 'tls', address: '[::]:443', startTls: 'postgres' } } as const
    const route = { name: 'f', pool: 'sql' } as const
    const match = { sni: ['a.test', '*.b.test'], alpn: 'h2', address: '10.0.0.0/8' } as const
    defineConfig({ listeners: both, pools, routes: [{ ...route, listener: 'secure', match }] })
    defineConfig({
      listeners: both,
      pools,
      routes: [{ name: 'f', listener: 'secure', rules: [{ match, pool: 'sql' }] }],
    })
    defineConfig({ listeners: both, pools, routes: [{ ...route, listener: ['secure', 'db'] }] })
    // @ts-expect-error
    defineConfig({ listeners: both, pools, routes: [{ ...route, listener: 'db', match }] })
    // @ts-expect-error
    defineConfig({ listeners: both, pools, routes: [{ ...route, listener: 'db', match: { sni: 'a.test' } }] })
    // @ts-expect-error
    defineConfig({ listeners: both, pools, routes: [{ ...route, listener: ['secure', 'db'], match: { alpn: 'h2' } }] })
    // @ts-expect-error
    defineConfig({ listeners: both, pools, routes: [{ name: 'f', listener: 'db', rules: [{ match, pool: 'sql' }] }] })
  })

  test('refuses rules beside the fields of one', () => {
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', pool: 'app', rules: [{ pool: 'app' }] }] })
  })

  test('refuses a length of time without its unit', () => {
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', pool: 'app', timeouts: { request: '30' } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', pool: 'app', timeouts: { request: 30 } }] })
  })

  test('refuses a key nobody knows', () => {
    // @ts-expect-error
    defineConfig({ listeners, pools, routes: [{ name: 'r', pool: 'app', retri: false }] })
  })
})

describe('expected cases', () => {
  const routes = [
    {
      name: 'shop',
      rules: [
        { name: 'api', match: { path: '/api' }, pool: 'app' },
        {
          name: 'all',
          variants: [
            { name: 'old', weight: 9, pool: 'app' },
            { name: 'new', weight: 1, pool: 'app' },
          ],
        },
      ],
    },
    { name: 'sql', listener: 'db', pool: 'sql' },
  ] as const
  const request = 'https://shop.example.com/'

  test('speak of routes, rules, variants, pools and listeners that are there', () => {
    const config = defineConfig({
      listeners,
      pools,
      routes,
      expect: [
        { request, gets: { route: 'shop', rule: 'all', variant: ['old', 'new'], pool: 'app' } },
        { request: { url: request, method: 'POST', listener: 'web' }, gets: { rule: '1', status: 404 } },
        { flow: { listener: 'db', from: '10.0.0.1' }, gets: { route: 'sql', variant: 'sql' } },
      ],
    })
    expectTypeOf(config).toEqualTypeOf<ConfigInput>()
  })

  test('and of no others', () => {
    // @ts-expect-error
    defineConfig({ listeners, pools, routes, expect: [{ request, gets: { route: 'shp' } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes, expect: [{ request, gets: { rule: 'al' } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes, expect: [{ request, gets: { variant: ['old', 'nwe'] } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes, expect: [{ request, gets: { pool: 'ap' } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes, expect: [{ flow: { listener: 'd' }, gets: { pool: 'sql' } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes, expect: [{ flow: { listener: 'db' }, gets: { status: 200 } }] })
    // @ts-expect-error
    defineConfig({ listeners, pools, routes, expect: [{ request }] })
  })
})

describe('the types and the zod schema', () => {
  test('say the same of the parts', () => {
    expectTypeOf<In<typeof httpMatch>>().toEqualTypeOf<HttpMatchInput>()
    expectTypeOf<In<typeof flowMatch>>().toEqualTypeOf<FlowMatchInput>()
    expectTypeOf<In<typeof tlsMatch>>().toEqualTypeOf<TlsMatchInput>()
    expectTypeOf<In<typeof httpVariant>>().toEqualTypeOf<HttpVariantInput>()
    expectTypeOf<In<typeof flowVariant>>().toEqualTypeOf<FlowVariantInput>()
    expectTypeOf<In<typeof endpoint>>().toEqualTypeOf<string | EndpointInput>()
    expectTypeOf<SchemaInput['listeners'][string]>().toEqualTypeOf<ListenerInput>()
    expectTypeOf<SchemaInput['pools'][string]>().toEqualTypeOf<PoolInput>()
    expectTypeOf<NonNullable<In<typeof httpVariant>['filters']>>().toEqualTypeOf<FiltersInput>()
  })

  test('take each other as a whole, both ways', () => {
    expectTypeOf<ConfigInput>().toExtend<SchemaInput>()
    expectTypeOf<SchemaInput>().toExtend<ConfigInput>()
    expectTypeOf<SchemaInput['routes'][number]>().toExtend<HttpRouteInput | FlowRouteInput | UdpRouteInput>()
  })
})

/** What a schema takes. */
type In<Schema extends { _zod: { input: unknown } }> = Schema['_zod']['input']
