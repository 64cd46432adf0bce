// Reads the overlay from the edge by HTTPS, again and again, with the operator's token. Nobody waits for it: as long as
// nothing new is read, what was read last is in force.

import { setTimeout as wait } from 'node:timers/promises'
import { type Overlay, overlayBounds } from '../shared/overlay/overlay.ts'
import { parseOverlay } from '../shared/overlay/parse.ts'
import { type Draw, subDraw } from '../shared/pool/draw.ts'

export interface OverlaySource {
  /** Where the overlay is read: `https://edge.example.com/.fourseven/overlay`. */
  readonly url: string
  readonly token: string
  /** From one answer to the next question, give or take a tenth. Default 1 s. */
  readonly intervalMs?: number
  /** For one question. Default 5 s. */
  readonly timeoutMs?: number
}

export interface OverlayReaderHost {
  readonly draw: () => Draw
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** @param skewMs this clock less that of the control object, right to half the way there and back */
  readonly onOverlay: (overlay: Overlay, skewMs: number) => void
  /** The first failure after a success, and the first success after a failure: undefined. */
  readonly onTrouble: (why: string | undefined) => void
}

export interface OverlayReading {
  readonly url: string
  /** Null as long as none was read. */
  readonly version: number | null
  /** ISO 8601: when it was last known to be the newest. */
  readonly readAt: string | null
  /** Why the last question failed; null when it did not. */
  readonly failing: string | null
}

export interface OverlayReader {
  readonly reading: () => OverlayReading
  readonly stop: () => void
}

export function startOverlayReader(source: OverlaySource, host: OverlayReaderHost): OverlayReader {
  const { url, intervalMs = defaultIntervalMs } = source
  const stopping = new AbortController()
  const draw = host.draw()
  let version: number | null = null
  let etag: string | undefined
  let readAt: number | null = null
  let failing: string | null = null
  let failures = 0
  let asked = 0
  /** Since when the edge has said an older version than ours: a cache does for seconds, a store put back for good. */
  let olderSince: number | undefined

  const note = (why: string | null) => {
    if ((why === null) !== (failing === null)) host.onTrouble(why ?? undefined)
    failing = why
    failures = why === null ? 0 : failures + 1
  }
  const ask = async () => {
    const before = host.now()
    try {
      const said = await askOverlay(source, etag, stopping.signal)
      if (stopping.signal.aborted) return
      const now = host.now()
      if (said === 'same') {
        readAt = now
        olderSince = undefined
        return note(null)
      }
      const { overlay, at } = said
      const isOfSameLife = lifeOf(said.etag) === lifeOf(etag)
      if (version !== null && overlay.version < version && isOfSameLife) {
        olderSince ??= now
        if (now - olderSince < believedAfterMs) return note(null)
      }
      olderSince = undefined
      const isNew = overlay.version !== version || !isOfSameLife
      version = overlay.version
      etag = said.etag
      readAt = now
      note(null)
      if (isNew) host.onOverlay(overlay, Math.round((before + now) / 2 - at))
    } catch (error) {
      if (!stopping.signal.aborted) note(wordsOf(error))
    }
  }
  const run = async () => {
    while (!stopping.signal.aborted) {
      await ask()
      asked += 1
      const jitter = 1 + spread * (2 * subDraw(draw, 'jitter', asked) - 1)
      const backOffMs =
        failures === 0 ? intervalMs : Math.min(intervalMs * 2 ** Math.min(failures, 10), longestBackOffMs)
      await wait(backOffMs * jitter, undefined, { signal: stopping.signal, ref: false }).catch(() => {})
    }
  }
  void run()
  return {
    reading: () => ({ url, version, readAt: readAt === null ? null : new Date(readAt).toISOString(), failing }),
    stop: () => stopping.abort(),
  }
}

type Said = 'same' | { readonly overlay: Overlay; readonly etag: string | undefined; readonly at: number }

/** Rejects with words for the operator. */
async function askOverlay(
  { url, token, timeoutMs = defaultTimeoutMs }: OverlaySource,
  etag: string | undefined,
  stop: AbortSignal,
): Promise<Said> {
  const response = await fetch(url, {
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
    },
    // A redirect would take the token along.
    redirect: 'manual',
    signal: AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]),
  })
  if (response.status === 304 && etag !== undefined) {
    await response.body?.cancel()
    return 'same'
  }
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(response.status === 401 ? 'status 401: the token is not theirs' : `status ${response.status}`)
  }
  const said: unknown = JSON.parse(await bodyOf(response))
  const { at, overlay: given } = (typeof said === 'object' && said !== null ? said : {}) as Readonly<
    Record<string, unknown>
  >
  if (typeof at !== 'number') throw new Error('what came is no overlay: it does not say its time')
  const overlay = parseOverlay(given)
  if ('problems' in overlay) {
    const [first] = overlay.problems
    throw new Error(`what came is no overlay: ${first?.path}: ${first?.message}`)
  }
  return { overlay, etag: response.headers.get('etag') ?? undefined, at }
}

async function bodyOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > longestBody) throw new Error(`the answer has more than ${longestBody} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** `"life.version"`: versions of an object that was made anew do not compare. */
function lifeOf(etag: string | undefined): string {
  return etag?.split('.')[0] ?? ''
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return 'no answer in time'
  if (error instanceof SyntaxError) return 'what came is no JSON'
  const { cause } = error as { cause?: NodeJS.ErrnoException }
  return cause?.code ?? cause?.message ?? error.message
}

const defaultIntervalMs = 1_000
const defaultTimeoutMs = 5_000
const longestBackOffMs = 30_000
/** A tenth earlier or later: relays that were started together do not ask together for ever. */
const spread = 0.1
/** Caches on the way forget within two seconds. */
const believedAfterMs = 10_000
/** Every entry that there may be, each with many ranges, and more. */
const longestBody = 256 * (overlayBounds.splits + overlayBounds.endpoints) * 16
