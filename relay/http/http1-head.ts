// The head of an HTTP/1.1 message (RFC 9112), strictly: what two parsers might read differently is refused, by name.

import { Fields, tokenOf } from './fields.ts'

/** Why a message is refused. */
export interface Malformed {
  readonly status: 400 | 414 | 417 | 431 | 501 | 505
  readonly details: string
}

export interface RequestHead {
  readonly method: string
  /** As it stood in the request line. */
  readonly target: string
  readonly isHttp10: boolean
  readonly fields: Fields
}

export interface ResponseHead {
  readonly status: number
  readonly isHttp10: boolean
  readonly fields: Fields
}

/** How long a body is: so many bytes, in chunks, or up to the end of the connection. */
export type Framing = number | 'chunked' | 'until-close'

/** @param text the bytes up to the empty line and without it, as latin1 */
export function readRequestHead(text: string): RequestHead | Malformed {
  const lineEnd = endOfLine(text, 0)
  const line = requestLine.exec(text.slice(0, lineEnd))
  if (line === null) return { status: 400, details: 'the request line is malformed' }
  const [, method, target, version] = line
  if (version !== '1.1' && version !== '1.0') {
    return { status: 505, details: `HTTP/${version} is not served on this connection` }
  }
  const fields = readFields(text, lineEnd + 2)
  if (!(fields instanceof Fields)) return fields
  return { method: method!, target: target!, isHttp10: version === '1.0', fields }
}

export function readResponseHead(text: string): ResponseHead | Malformed {
  const lineEnd = endOfLine(text, 0)
  const line = statusLine.exec(text.slice(0, lineEnd))
  if (line === null) return { status: 400, details: 'the status line is malformed' }
  const fields = readFields(text, lineEnd + 2)
  if (!(fields instanceof Fields)) return fields
  return { status: Number(line[2]), isHttp10: line[1] === '0', fields }
}

/** Field lines from `from` to the end of the text. */
export function readFields(text: string, from: number): Fields | Malformed {
  const bad = forbidden.exec(text)
  if (bad !== null) return { status: 400, details: whatIs(bad[0]) }
  const fields = new Fields()
  for (let at = from; at < text.length; ) {
    const end = endOfLine(text, at)
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon >= end) {
      return { status: 400, details: isBlank(text, at) ? folded : 'a header line without a colon' }
    }
    const written = text.slice(at, colon)
    const lower = tokenOf(written)
    if (lower === undefined) {
      return { status: 400, details: isBlank(text, at) ? folded : 'the name of a header field is malformed' }
    }
    fields.add(lower, written, trimmed(text, colon + 1, end))
    at = end + 2
  }
  return fields
}

/**
 * How a request's body is framed; 0 when it has none (RFC 9112 section 6). Two lengths, a length beside a transfer coding,
 * and codings other than `chunked` alone are how requests are smuggled: refused.
 */
export function framingOfRequest({ fields, isHttp10 }: RequestHead): Framing | Malformed {
  const coding = fields.get('transfer-encoding')
  const length = fields.get('content-length')
  if (coding === null) return length === null ? 0 : lengthOf(length)
  if (length !== null) return { status: 400, details: 'Content-Length beside Transfer-Encoding' }
  if (isHttp10) return { status: 400, details: 'Transfer-Encoding in HTTP/1.0' }
  if (coding.toLowerCase() !== 'chunked') return { status: 501, details: 'a transfer coding other than chunked' }
  return 'chunked'
}

/** The same for the answer to a request with this method. */
export function framingOfResponse({ status, fields }: ResponseHead, method: string): Framing | Malformed {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 0
  const coding = fields.get('transfer-encoding')
  const length = fields.get('content-length')
  if (coding === null) return length === null ? 'until-close' : lengthOf(length)
  if (length !== null) return { status: 400, details: 'Content-Length beside Transfer-Encoding' }
  if (coding.toLowerCase() !== 'chunked') return { status: 501, details: 'a transfer coding other than chunked' }
  return 'chunked'
}

/** One field line after the other, each with its end; nothing else. */
export function formatFields({ written, values }: Fields): string {
  let text = ''
  for (let at = 0; at < written.length; at++) text += `${written[at]}: ${values[at]}\r\n`
  return text
}

function lengthOf(said: string): number | Malformed {
  if (/^\d{1,15}$/.test(said)) return Number(said)
  const details = said.includes(',') ? 'more than one Content-Length' : 'Content-Length is no number'
  return { status: 400, details }
}

/** Without blanks at either end (RFC 9110 section 5.5). */
function trimmed(text: string, from: number, to: number): string {
  let start = from
  let end = to
  while (start < end && isBlank(text, start)) start += 1
  while (end > start && isBlank(text, end - 1)) end -= 1
  return text.slice(start, end)
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\r\n', from)
  return end === -1 ? text.length : end
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === 0x20 || code === 0x09
}

function whatIs(found: string): string {
  return found === '\n' ? 'a bare line feed' : found === '\r' ? 'a bare carriage return' : 'a control character'
}

const folded = 'a folded header line'
const requestLine = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) ([^\s]+) HTTP\/(\d\.\d)$/
const statusLine = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const forbidden = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/
