import { expect, test } from 'vitest'
import { parseEndpointAddress } from '../../../shared/config/endpoint-address.ts'
import { mayBeCalled, sharesZone } from '../../../shared/config/zone.ts'

test('names that end in one registrable name share a zone', () => {
  expect(sharesZone('app.example.com', 'origin.example.com')).toBe(true)
  expect(sharesZone('example.com', 'a.b.example.com')).toBe(true)
  expect(sharesZone('a.shop.co.uk', 'b.shop.co.uk')).toBe(true)
})

test('neighbours under a shared suffix do not', () => {
  expect(sharesZone('example.com', 'example.net')).toBe(false)
  expect(sharesZone('one.co.uk', 'two.co.uk')).toBe(false)
  expect(sharesZone('one.com.au', 'two.com.au')).toBe(false)
  expect(sharesZone('one.workers.dev', 'two.workers.dev')).toBe(false)
  expect(sharesZone('one.github.io', 'two.github.io')).toBe(false)
  expect(sharesZone('10.0.0.1', '10.0.0.1')).toBe(false)
  expect(sharesZone('a.localhost', 'b.localhost')).toBe(false)
  expect(sharesZone('com', 'com')).toBe(false)
})

test('a binding may be called by any host', () => {
  const address = (text: string) =>
    parseEndpointAddress(text) as Exclude<ReturnType<typeof parseEndpointAddress>, string>
  expect(mayBeCalled(address('binding:APP'), 'anything.test')).toBe(true)
  expect(mayBeCalled(address('https://a.example.com'), 'anything.test')).toBe(false)
})
