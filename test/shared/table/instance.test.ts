import { expect, test } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { tableOf } from '../../support/table.ts'

const config = (route: string, timeout: '1s' | '2s' = '1s'): ConfigInput => ({
  listeners: { web: { kind: 'edge' } },
  pools: { app: { endpoints: ['${APP}'] } },
  routes: [{ name: route, pool: 'app', timeouts: { request: timeout } }],
})
const instance = (input: ConfigInput, address: string) => tableOf(input, { APP: address }).instance

test('an instance is its listeners, routes and resolved endpoints', () => {
  const one = instance(config('a'), 'https://a.test')
  expect(one).toMatch(/^[a-z0-9]{8,16}$/)
  expect(instance(config('a'), 'https://a.test')).toBe(one)
  expect(instance(config('a', '2s'), 'https://a.test')).toBe(one)
  expect(instance(config('b'), 'https://a.test')).not.toBe(one)
  expect(instance(config('a'), 'https://b.test')).not.toBe(one)
})

test('where only flows are served nobody asks for it', () => {
  const flows: ConfigInput = {
    listeners: { db: { kind: 'tcp', address: '127.0.0.1:1' } },
    pools: { db: { endpoints: ['tcp://a.test:1'] } },
    routes: [{ name: 'db', listener: 'db', pool: 'db' }],
  }
  expect(tableOf(flows).instance).toBe('')
})
