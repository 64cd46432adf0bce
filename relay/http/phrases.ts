// Reason phrases for status lines. Nobody reads them; an unknown status has none, which RFC 9112 section 4 allows.

import { STATUS_CODES } from 'node:http'

export function phraseOf(status: number): string {
  return STATUS_CODES[status] ?? ''
}
