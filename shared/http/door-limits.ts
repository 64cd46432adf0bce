// What a door takes of a request before any rule is asked: how long a URL, how many header fields, how large.

import type { DoorLimits } from '../config/parsed.ts'
import { formatSize } from '../config/units.ts'

export interface Refusal {
  readonly status: 400 | 411 | 413 | 414 | 431
  /** For `Proxy-Status` and the text of the answer. */
  readonly details: string
}

/** Fields as `Headers` gives them; those that were joined count once. */
export interface CountableFields {
  forEach(visit: (value: string, name: string) => void): void
}

/**
 * Why the door refuses: 414 for the URL (RFC 9110 section 15.5.15), 431 for the header (RFC 6585 section 5). A field
 * counts with its name, its value and the four bytes around them, as it stood on the wire in HTTP/1.1. The fields are
 * gone through once: in workerd that costs as much as copying them.
 */
export function overLimit(urlLength: number, fields: CountableFields, limits: DoorLimits): Refusal | undefined {
  if (urlLength > limits.maxUrlBytes) {
    return { status: 414, details: `the URL is longer than ${formatSize(limits.maxUrlBytes)}` }
  }
  count = 0
  bytes = 0
  fields.forEach(countField)
  if (count > limits.maxHeaders) {
    return { status: 431, details: `more than ${limits.maxHeaders} header fields` }
  }
  if (bytes > limits.maxHeaderBytes) {
    return { status: 431, details: `the header is larger than ${formatSize(limits.maxHeaderBytes)}` }
  }
  return undefined
}

/**
 * Why a body is refused: 413 when its length says so, 411 when a rule bounds it and no length is said (it could be
 * counted only by going through it). For a request that has one.
 *
 * @param contentLength undefined when the request does not say
 */
export function overBody(maxBodyBytes: number, contentLength: number | undefined): Refusal | undefined {
  if (contentLength === undefined) {
    return { status: 411, details: `a body needs Content-Length here, at most ${formatSize(maxBodyBytes)}` }
  }
  if (contentLength <= maxBodyBytes) return undefined
  return { status: 413, details: `the body is larger than ${formatSize(maxBodyBytes)}` }
}

function countField(value: string, name: string): void {
  count += 1
  bytes += name.length + value.length + 4
}

/** Nothing waits between their reset and their use. */
let count = 0
let bytes = 0
