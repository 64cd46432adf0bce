import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sign, verify } from '../../../shared/http/signing.ts'

const keys = ['new key', 'old key']

test('the signature is the first 144 bits of HMAC-SHA256 over name and value, as Node computes it', () => {
  const mac = createHmac('sha256', 'new key').update('5:fs_id=abc').digest().subarray(0, 18).toString('base64url')
  expect(sign(keys, 'fs_id', 'abc')).toBe(`abc.${mac}`)
})

test('the first key signs, every key is accepted, others are not', () => {
  const old = sign(['old key'], 'a', 'v')
  expect(verify(keys, 'a', old)).toBe('v')
  expect(sign(keys, 'a', 'v')).not.toBe(old)
  expect(verify(['new key'], 'a', old)).toBeUndefined()
})

test('a signed value does not fit another cookie, however name and value are cut', () => {
  expect(verify(keys, 'b', sign(keys, 'a', 'v'))).toBeUndefined()
  expect(verify(keys, 'a=b', sign(keys, 'a', 'b=c').replace('b=c', 'c'))).toBeUndefined()
})

test('without keys values pass as they are', () => {
  expect(sign([], 'a', 'v')).toBe('v')
  expect(verify([], 'a', 'v.x')).toBe('v.x')
})

test.each([
  '',
  '.',
  'v',
  'v.',
  `v.${'A'.repeat(23)}`,
  `v.${'A'.repeat(24)}`,
  `v.${'A'.repeat(25)}`,
  'A'.repeat(24),
  `.${'\ud800'.repeat(24)}`,
])('%j is not signed', text => {
  expect(verify(keys, 'a', text)).toBeUndefined()
})

test('what was signed is verified, and no changed, lost or added character is', () => {
  const character = fc.constantFrom(...'abcXYZ019.-_~=')
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 40 }), fc.nat(), character, (value, place, changed) => {
      const signed = sign(keys, 'a', value)
      expect(verify(keys, 'a', signed)).toBe(value)
      const at = place % signed.length
      if (signed[at] !== changed) {
        expect(verify(keys, 'a', signed.slice(0, at) + changed + signed.slice(at + 1))).toBeUndefined()
      }
      expect(verify(keys, 'a', signed.slice(0, at) + signed.slice(at + 1))).toBeUndefined()
      expect(verify(keys, 'a', signed.slice(0, at) + changed + signed.slice(at))).toBeUndefined()
    }),
    { seed: 2104, numRuns: 300 },
  )
})

test('every other spelling of one signature fails, character by character', () => {
  const signed = sign(keys, 'a', 'v')
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/.'
  for (let at = 0; at < signed.length; at++) {
    for (const other of alphabet) {
      if (other === signed[at]) continue
      expect(verify(keys, 'a', signed.slice(0, at) + other + signed.slice(at + 1))).toBeUndefined()
    }
  }
})
