// Session persistence of a rule: by cookie, which a pool does itself.

import type { Duration } from '../config/config-values.ts'
import { formatDuration } from '../config/units.ts'
import type { Affinity } from './backends.ts'
import { type Notes, type Spot, within } from './notes.ts'
import { readGatewayDuration, type SessionPersistence } from './words.ts'

export function readAffinity(input: SessionPersistence | undefined, spot: Spot, notes: Notes): Affinity | undefined {
  if (input === undefined) return undefined
  const { type = 'Cookie', cookie, cookieConfig, absoluteTimeout, idleTimeout } = input
  if (type === 'Header') {
    const message = 'a session told by a header that the gateway makes up is not known here'
    notes.add(
      'not-carried',
      'header-session',
      spot,
      message,
      'Use a cookie, or `balance: { hash: { header: … } }` on the pool.',
    )
    return undefined
  }
  if (idleTimeout !== undefined) {
    const at = within(spot, 'idleTimeout')
    notes.add(
      'not-carried',
      'idle-timeout',
      at,
      'a cookie has one age, counted from when it was set',
      'Use absoluteTimeout.',
    )
  }
  if (cookie?.path !== undefined && cookie.path !== '/') {
    notes.add(
      'not-carried',
      'cookie-path',
      within(spot, 'cookie', 'path'),
      'the cookie is set for the path /',
      'Leave it out.',
    )
  }
  const isPermanent = (cookie?.lifetimeType ?? cookieConfig?.lifetimeType) === 'Permanent'
  if (!isPermanent) {
    const message = 'the cookie has an age of a day and does not end with the browser session'
    notes.add(
      'warning',
      'session-cookie',
      spot,
      message,
      'Write lifetimeType: Permanent and absoluteTimeout for another age.',
    )
  }
  const ms = absoluteTimeout === undefined || !isPermanent ? undefined : readGatewayDuration(absoluteTimeout)
  const maxAge = ms === undefined || ms < 1_000 ? undefined : (formatDuration(ms) as Duration)
  return { cookie: cookie?.name ?? cookieConfig?.name ?? input.sessionName ?? 'fs_endpoint', maxAge }
}
