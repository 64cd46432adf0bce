// Header fields between our list and the flat one of node:http2, which has the names of HTTP/2 in front.

import { Fields } from './fields.ts'

export interface Http2Head {
  readonly fields: Fields
  /** 0 when there is none. */
  readonly status: number
  readonly method: string
  readonly scheme: string
  readonly path: string
  readonly authority: string | undefined
  /** Of an extended CONNECT (RFC 8441). */
  readonly protocol: string | undefined
}

/** Cookies that came apart become one field again (RFC 9113 section 8.2.3). */
export function fieldsOf(raw: readonly string[]): Http2Head {
  const fields = new Fields()
  let status = 0
  let method = ''
  let scheme = ''
  let path = ''
  let authority: string | undefined
  let protocol: string | undefined
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!
    const value = raw[at + 1]!
    if (name.charCodeAt(0) === colon) {
      if (name === ':status') status = Number(value)
      else if (name === ':method') method = value
      else if (name === ':path') path = value
      else if (name === ':scheme') scheme = value
      else if (name === ':authority') authority = value
      else if (name === ':protocol') protocol = value
    } else if (name === 'cookie' && fields.has('cookie')) {
      fields.set('cookie', `${fields.get('cookie')}; ${value}`)
    } else fields.add(name, name, value)
  }
  return { fields, status, method, scheme, path, authority, protocol }
}

/** Adds them to the end of a flat list. */
export function headersOf({ names, values }: Fields, list: string[]): void {
  for (let at = 0; at < names.length; at++) list.push(names[at]!, values[at]!)
}

/** For the calls of node:http2 that take an object: each name once. */
export function asHeaders(fields: Fields | undefined): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  fields?.forEach((value, name) => {
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  })
  return headers
}

/** A field that stands twice goes on as it came: what it means is not for us to say. Node knows the word, its types do not. */
export const twiceIsFine: object = { strictSingleValueFields: false }
const colon = 0x3a
