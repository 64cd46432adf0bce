// Bytes as a config writes them: a text, or hex or base64 for what is no text.

import { utf8Bytes } from '../wire/utf8.ts'

export type BytesInput = string | { hex: string } | { base64: string }

/** The bytes in hex, lower case, as a config keeps them; undefined when they cannot be read. Spaces in hex are for the eye. */
export function hexOf(input: BytesInput): string | undefined {
  if (typeof input === 'string') return [...utf8Bytes(input)].map(hexByte).join('')
  if ('hex' in input) {
    const digits = input.hex.replaceAll(' ', '').toLowerCase()
    return /^(?:[0-9a-f]{2})*$/.test(digits) ? digits : undefined
  }
  return hexOfBase64(input.base64)
}

/** What `hexOf` gave. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16))
}

/** RFC 4648 section 4, with or without `=` at the end. */
function hexOfBase64(text: string): string | undefined {
  const digits = text.replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9+/]*$/.test(digits) || digits.length % 4 === 1) return undefined
  if (digits.length !== text.length && text.length % 4 !== 0) return undefined
  let hex = ''
  for (let at = 0; at + 1 < digits.length; at += 4) {
    const [a, b, c, d] = [0, 1, 2, 3].map(step => base64Digits.indexOf(digits[at + step] ?? 'A'))
    const bytes = [(a! << 2) | (b! >> 4), ((b! & 15) << 4) | (c! >> 2), ((c! & 3) << 6) | d!]
    hex += bytes
      .slice(0, Math.min(4, digits.length - at) - 1)
      .map(hexByte)
      .join('')
  }
  return hex
}

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

const base64Digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
