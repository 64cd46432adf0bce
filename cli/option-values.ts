// Values of options that more than one subcommand takes.

import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../shared/config/units.ts'
import { isLoopback, parseAddress, parseHostPort } from '../shared/wire/address.ts'
import type { Place } from './ask.ts'

/** `127.0.0.1:9000`, `[::1]:9000`. */
export function readPlace(text: string): Place {
  const place = parseHostPort(text)
  if (place === undefined) throw new InvalidArgumentError('Write it as HOST:PORT, such as 127.0.0.1:8787.')
  return place
}

/** Milliseconds. */
export function readDurationOption(text: string): number {
  const ms = text === '0' ? 0 : parseDuration(text)
  if (ms === undefined || ms > 2_147_483_647) throw new InvalidArgumentError('Write a length of time, such as 5s.')
  return ms
}

/** `https://edge.example.com`; without TLS on this machine only, since the token goes there. */
export function readEdgeUrl(text: string): string {
  const url = URL.parse(text)
  const mend = 'Write it as https://HOST; http:// is for this machine alone.'
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) throw new InvalidArgumentError(mend)
  const address = parseAddress(url.hostname.replace(/^\[|\]$/g, ''))
  const isHere = url.hostname === 'localhost' || (address !== undefined && isLoopback(address))
  if (url.protocol === 'http:' && !isHere) throw new InvalidArgumentError(mend)
  return url.origin
}
