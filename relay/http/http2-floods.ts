// Clients that keep an HTTP/2 connection busy without asking for anything: streams that are reset as soon as they are
// begun (CVE-2023-44487), PINGs and SETTINGS without end, header blocks in very many CONTINUATION frames
// (CVE-2024-27316), frames that say nothing. Each ends its connection with ENHANCE_YOUR_CALM (RFC 9113 section 10.5).

import { constants, type ServerHttp2Session } from 'node:http2'
import { reasons } from '../../shared/decide/reason.ts'

/** As reasons for the end of a connection. */
export type Flood =
  | 'http2_resets'
  | 'http2_headers'
  | 'http2_pings'
  | 'http2_settings'
  | 'http2_continuations'
  | 'http2_frames'

export interface FloodWatch {
  /** The client has reset a stream: called by whoever sees it close. */
  readonly noteReset: () => void
  /** A request was refused for its header. */
  readonly noteHeader: () => void
}

/**
 * Watches a session from its beginning. A flood is told once, and ends the session, which gives its `error` too.
 *
 * @param now milliseconds, only for how long ago
 */
export function watchFloods(
  session: ServerHttp2Session,
  onFlood: (flood: Flood) => void,
  now: () => number = () => performance.now(),
): FloodWatch {
  let isTold = false
  const tell = (flood: Flood) => {
    if (isTold) return
    isTold = true
    onFlood(flood)
  }
  // What nghttp2 itself takes for a flood ends the session as if the fault were ours, with INTERNAL_ERROR.
  const destroy = session.destroy.bind(session)
  session.destroy = (error, code) => {
    const flood = error instanceof Error ? floodOf(error) : undefined
    if (flood !== undefined) tell(flood)
    destroy(error, flood === undefined ? code : calm)
  }
  const end = (flood: Flood) => {
    if (session.destroyed) return
    tell(flood)
    if (flood === 'http2_pings') session.goaway(calm, 0, tooManyPings)
    destroy(new Error(reasons[flood].says), calm)
  }
  const take = (flood: Flood, limit: Pace) => {
    const mayCome = openPace(limit, now)
    return () => {
      if (!mayCome()) end(flood)
    }
  }
  session.on('ping', take('http2_pings', limits.pings))
  session.on('remoteSettings', take('http2_settings', limits.settings))
  return { noteReset: take('http2_resets', limits.resets), noteHeader: take('http2_headers', limits.headers) }
}

/** A token bucket: false when more come than it lets through. */
function openPace({ burst, perSecond }: Pace, now: () => number): () => boolean {
  let tokens = burst
  let filledAt = now()
  return () => {
    const at = now()
    tokens = Math.min(burst, tokens + (Math.max(0, at - filledAt) / 1000) * perSecond)
    filledAt = at
    tokens -= 1
    return tokens >= 0
  }
}

/** What nghttp2 or Node has ended the session for, where that is a flood. */
function floodOf(error: NodeJS.ErrnoException): Flood | undefined {
  const { code, errno } = error
  if (code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES') return 'http2_frames'
  if (errno === tooManyContinuations) return 'http2_continuations'
  return errno === flooded ? 'http2_frames' : undefined
}

interface Pace {
  /** So many at once. */
  readonly burst: number
  readonly perSecond: number
}

/**
 * For one connection. Beyond them nghttp2 has bounds of its own, which it asks sooner where very many frames come in one
 * read: 1,000 acknowledgements that wait to be written, and 1,000 resets with 33 a second.
 */
export const limits = {
  /** A client that gives up on calls does so now and then; Envoy lets 500 streams through that lived less than a second. */
  resets: { burst: 500, perSecond: 30 },
  /** What no honest client sends twice. */
  headers: { burst: 50, perSecond: 1 },
  /** gRPC clients ping to keep connections alive and, in Go, to measure bandwidth while they read. */
  pings: { burst: 500, perSecond: 50 },
  /** Sent once, and again by a client that changes its windows. */
  settings: { burst: 100, perSecond: 5 },
} as const satisfies Readonly<Record<string, Pace>>

const calm = constants.NGHTTP2_ENHANCE_YOUR_CALM
/** gRPC clients know it and ping more rarely from then on (gRPC, "A8: Client-side Keepalive"). */
const tooManyPings = Buffer.from('too_many_pings')
/** nghttp2's `NGHTTP2_ERR_FLOODED` and `NGHTTP2_ERR_TOO_MANY_CONTINUATIONS`; Node's error has them as `errno`. */
const flooded = -904
const tooManyContinuations = -905
