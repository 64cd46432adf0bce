// Cookies of our own carry a signature when there is a key: then nobody can choose a variant or an endpoint by making one
// up. A signed cookie says nothing of who may use it: one that was copied from another client is believed.

import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'

/** The keys in a text, comma separated: the first signs, all are believed. */
export function splitKeys(text: string): readonly string[] {
  return text
    .split(',')
    .map(key => key.trim())
    .filter(key => key !== '')
}

/**
 * `value.mac`, signed with the first key; the value as it is when there are no keys. The name is signed too: a signed
 * value does not fit another cookie.
 */
export function sign(keys: readonly string[], name: string, value: string): string {
  return keys.length === 0 ? value : `${value}.${macOf(keys[0]!, name, value)}`
}

/**
 * The value when any of the keys signed it for this name, else undefined: forged, truncated, foreign or unsigned. With no
 * keys everything passes as it is. Never throws.
 */
export function verify(keys: readonly string[], name: string, signed: string): string | undefined {
  if (keys.length === 0) return signed
  const dot = signed.length - macLength - 1
  if (dot < 0 || signed[dot] !== '.') return undefined
  const value = signed.slice(0, dot)
  const mac = signed.slice(dot + 1)
  let isSigned = false
  for (const key of keys) if (isEqual(mac, macOf(key, name, value))) isSigned = true
  return isSigned ? value : undefined
}

/**
 * The first 144 bits of HMAC-SHA256 as base64url: 24 characters without spare bits, so that one signature has one
 * spelling. RFC 2104 section 5 asks for at least half the hash's length. The name's length keeps name and value apart.
 */
function macOf(key: string, name: string, value: string): string {
  const mac = hmac(sha256, utf8ToBytes(key), utf8ToBytes(`${name.length}:${name}=${value}`))
  let text = ''
  for (let at = 0; at < macBytes; at += 3) {
    const three = (mac[at]! << 16) | (mac[at + 1]! << 8) | mac[at + 2]!
    text +=
      alphabet[three >>> 18]! + alphabet[(three >>> 12) & 63]! + alphabet[(three >>> 6) & 63]! + alphabet[three & 63]!
  }
  return text
}

/** Looks at every character whatever the first difference; both are 24 long. */
function isEqual(one: string, other: string): boolean {
  let difference = 0
  for (let at = 0; at < macLength; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at)
  return difference === 0
}

const macBytes = 18
const macLength = 24
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
