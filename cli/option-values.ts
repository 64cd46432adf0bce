// Values of options that more than one subcommand takes.

import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../shared/config/units.ts'
import { parseHostPort } from '../shared/wire/address.ts'
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
