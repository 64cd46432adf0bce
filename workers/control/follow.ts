// How an isolate comes to know what holds now: through its memory (1 s), the data centre's cache (2 s) and the control
// object. An isolate that serves looks once a second beside its requests, and no request waits for it. One that has not
// looked for some seconds, as a new one, waits for 50 ms at most, so that a canary which was rolled back is not served
// again. When nobody answers, the last state serves on.

import type { Ban } from '../../shared/cache/purge.ts'
import { followTable } from '../../shared/metrics/http-metrics.ts'
import { apply } from '../../shared/overlay/apply.ts'
import { markEndpoints, toldUntil } from '../../shared/overlay/mark.ts'
import { emptyOverlay, type Overlay } from '../../shared/overlay/overlay.ts'
import type { Table } from '../../shared/table/table.ts'
import type { Isolate } from '../isolate.ts'
import { isFresh, lookAfterMs, readShared, type Shared, sharedAfter, sharedUnread, writeShared } from './fan-out.ts'
import type { ControlStub } from './find.ts'
import { type Flushing, flush, openFlushing } from './flush.ts'

export interface Follow {
  /** A stub belongs to the request it was made in. */
  readonly find: () => ControlStub
  /** As compiled: every overlay is laid over this one. */
  readonly base: Table
  /** What is in force; undefined before the first. */
  overlay: Overlay | undefined
  birth: string | undefined
  version: number
  text: string | undefined
  /** When the last look ended, well or not; by this isolate's clock. */
  lookedAt: number
  /** When the look under way began, 0 when none is. The request that it goes beside may be ended, and then it never ends. */
  lookingSince: number
  readonly flushing: Flushing
}

export function openFollow(find: () => ControlStub, base: Table): Follow {
  return {
    find,
    base,
    overlay: undefined,
    birth: undefined,
    version: -1,
    text: undefined,
    lookedAt: Number.NEGATIVE_INFINITY,
    lookingSince: 0,
    flushing: openFlushing(),
  }
}

/**
 * Looks again; called when `isolate.lookAt` has come. Undefined when the request need not wait, else what it waits for:
 * never longer than 50 ms, and it never rejects.
 */
export function look(
  isolate: Isolate,
  follow: Follow,
  request: Request,
  now: number,
  context: ExecutionContext,
): Promise<void> | undefined {
  const isWarm = now - follow.lookedAt < WARM_MS
  if (isWarm) isolate.lookAt = now + lookAfterMs(Math.random())
  if (follow.lookingSince === 0 || Math.abs(now - follow.lookingSince) > LONGEST_LOOK_MS) {
    follow.lookingSince = now
    context.waitUntil(lookNow(isolate, follow, request))
  }
  return isWarm ? undefined : untilLooked(follow)
}

async function lookNow(isolate: Isolate, follow: Follow, request: Request): Promise<void> {
  try {
    await refresh(isolate, follow, sharedUrl(request, follow))
  } catch (error) {
    console.error(`fourseven: the overlay: ${error instanceof Error ? error.message : error}`)
  } finally {
    follow.lookingSince = 0
    follow.lookedAt = Date.now()
    isolate.lookAt = follow.lookedAt + lookAfterMs(Math.random())
  }
  // Only now: nobody waits for it, and the stub of this request is still good.
  await flush(isolate, follow.flushing, follow.find, placeOf(request))
}

/** Several Workers may serve paths of one host, each with a control object of its own; the cache is one. */
function sharedUrl(request: Request, { find }: Follow): string {
  return `https://${new URL(request.url).host}/.fourseven/overlay?of=${find().id}`
}

/** Three letters for a data centre of Cloudflare; empty on this machine. */
function placeOf({ cf }: Request): string {
  return typeof cf?.colo === 'string' ? cf.colo : ''
}

/**
 * By timers of its own: what another request waits for must not be waited for here (requests of one isolate may share
 * nothing but plain values).
 */
async function untilLooked(follow: Follow): Promise<void> {
  for (let waited = 0; follow.lookingSince !== 0 && waited < COLD_WAIT_MS; waited += STEP_MS)
    await scheduler.wait(STEP_MS)
  // It has waited once: those after it need not, however long the answer takes.
  follow.lookedAt = Math.max(follow.lookedAt, Date.now())
}

async function refresh(isolate: Isolate, follow: Follow, url: string): Promise<void> {
  const known = await readShared(url)
  const isBehind = known !== undefined && known.birth === follow.birth && known.version < follow.version
  if (known !== undefined && !isBehind && isFresh(known, Date.now(), Math.random())) {
    if (isNews(follow, known)) await adopt(isolate, follow, known, await known.text())
    else await known.leave()
    return
  }
  // A new isolate begins with what its data centre knew last: the object may take longer to answer than requests wait.
  const isFirst = known !== undefined && follow.version < 0
  const knownText = isFirst ? await known.text() : undefined
  if (isFirst) await adopt(isolate, follow, known, knownText!)
  const askedAt = Date.now()
  const told = await withinTime(follow.find().read(follow.birth, follow.version)).catch(String)
  if (typeof told === 'string') {
    // What was known serves on.
    const text = knownText ?? (await known?.text()) ?? ''
    await writeShared(url, sharedUnread(known, Date.now()), text)
    if (known !== undefined && !isBehind) await adopt(isolate, follow, known, text)
    throw new Error(`the control object did not answer: ${told}`)
  }
  if (!isFirst) await known?.leave()
  const text = told.text ?? follow.text ?? ''
  const read = sharedAfter(told, askedAt, Date.now())
  await adopt(isolate, follow, read, text)
  await writeShared(url, read, text)
}

/** Puts a version in force, once. What cannot be read is left alone: the last state serves on. */
async function adopt(isolate: Isolate, follow: Follow, read: Shared, text: string): Promise<void> {
  if (!isNews(follow, read)) return
  const overlay = text === '' ? emptyOverlay : await parsed(text)
  if (overlay === undefined || !isNews(follow, read)) return
  const { table } = apply(follow.base, overlay)
  if (table !== isolate.table) {
    followTable(isolate.metrics, table)
    isolate.table = table
  }
  const skewMs = skewOf(read)
  const { observed } = isolate.seen
  markEndpoints(observed, follow.base, overlay, follow.overlay, Date.now(), { skewMs, probes: 'elsewhere' })
  follow.flushing.toldUntil = toldUntil(overlay, skewMs)
  isolate.bans = skewMs === 0 ? overlay.bans : overlay.bans.map((ban): Ban => ({ ...ban, at: ban.at + skewMs }))
  follow.overlay = overlay
  follow.birth = read.birth
  follow.version = read.version
  follow.text = text
}

/** Versions only go up, unless the store was made anew. */
function isNews(follow: Follow, { birth, version }: Shared): boolean {
  return version >= 0 && (birth !== follow.birth || version > follow.version)
}

async function parsed(text: string): Promise<Overlay | undefined> {
  // Only now: most isolates of a deployment that was never changed need no schemas.
  const { parseOverlay } = await import('../../shared/overlay/parse.ts')
  const overlay = parseOverlay(JSON.parse(text))
  if (!('problems' in overlay)) return overlay
  const [first] = overlay.problems
  console.error(`fourseven: the overlay cannot be read: ${first!.path}: ${first!.message}`)
  return undefined
}

/** Our clock less the object's, in whole seconds; what the way takes is not skew. */
function skewOf({ readAt, at }: Shared): number {
  const skewMs = readAt - at
  return Math.abs(skewMs) < LEAST_SKEW_MS ? 0 : Math.round(skewMs / 1_000) * 1_000
}

async function withinTime<Result>(answer: Promise<Result>): Promise<Result | string> {
  const clock = new AbortController()
  const late = scheduler.wait(READ_MS, { signal: clock.signal }).then(
    () => `no answer for ${READ_MS} ms`,
    () => 'ended',
  )
  try {
    return await Promise.race([answer, late])
  } finally {
    clock.abort()
  }
}

/** Who has looked since is warm. */
const WARM_MS = 4_000
const COLD_WAIT_MS = 50
const STEP_MS = 5
const READ_MS = 2_000
/** A request is given 30 s for what goes on beside it. */
const LONGEST_LOOK_MS = 30_000
const LEAST_SKEW_MS = 2_000
