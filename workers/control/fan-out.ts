// What the isolates of one data centre know together: the last state that one of them has read, in the data centre's
// cache. That cache does not collapse, so each decides by chance whether it is the one that reads a little early.

/** The last state, as it stands in the cache, but for the overlay itself. */
export interface Shared {
  readonly birth: string
  /** -1: nobody has read any. */
  readonly version: number
  /** When it was read, by the clock of this data centre. */
  readonly readAt: number
  /**
   * When that read began, since what it tells may be as old as that: else what a slow read brings would count as new for
   * longer than a change may take. Or when the last one failed.
   */
  readonly triedAt: number
  /** When it was read, by the object's clock. */
  readonly at: number
}

/**
 * How long an isolate takes what it has for what holds: a second, give or take a tenth.
 *
 * @param chance 0 to 1
 */
export function lookAfterMs(chance: number): number {
  return MEMORY_MS * (0.9 + 0.2 * chance)
}

export interface FoundShared extends Shared {
  /** The overlay as JSON, empty before the first change. Either this is asked for, once, or `leave`. */
  readonly text: () => Promise<string>
  /** It may be long, and who has that version need not have it again. */
  readonly leave: () => Promise<void>
}

/** Undefined when there is none, or none that this version of the program has written. */
export async function readShared(url: string): Promise<FoundShared | undefined> {
  const found = await caches.default.match(url)
  if (found === undefined) return undefined
  const leave = async () => {
    await found.body?.cancel()
  }
  const said = readMark(found.headers.get(MARK))
  if (said !== undefined) return { ...said, text: () => found.text(), leave }
  await leave()
  return undefined
}

/** Kept long past its freshness: when the object is gone, new isolates begin with it. */
export async function writeShared(url: string, known: Shared, text: string): Promise<void> {
  const { birth, version, readAt, triedAt, at } = known
  const headers = {
    'content-type': 'application/json',
    'cache-control': `max-age=${KEPT_S}`,
    [MARK]: JSON.stringify({ birth, version, readAt, triedAt, at }),
  }
  await caches.default.put(url, new Response(text, { headers }))
}

/**
 * What a read has brought.
 *
 * @param askedAt when it began, by the clock of this data centre, as `now`
 */
export function sharedAfter(
  { birth, version, at }: Pick<Shared, 'birth' | 'version' | 'at'>,
  askedAt: number,
  now: number,
): Shared {
  // Half the way there and back is its own.
  return { birth, version, readAt: (askedAt + now) / 2, triedAt: askedAt, at }
}

/** After a read that failed: the others need not ask again at once. */
export function sharedUnread(known: Shared | undefined, now: number): Shared {
  return { ...(known ?? NOTHING), triedAt: now }
}

/**
 * Whether nobody need read again: for 2 s at most, and rather less by chance, the likelier the nearer that is, so that one
 * reads early and the others find it fresh (Vattani, Chierichetti and Lowenstein, Optimal Probabilistic Cache Stampede
 * Prevention, 2015, with the time of a read taken as 100 ms).
 *
 * @param chance 0 to 1
 */
export function isFresh({ triedAt }: Shared, now: number, chance: number): boolean {
  const early = EARLY_MS * -Math.log(Math.max(chance, Number.MIN_VALUE))
  const age = now - triedAt
  // A clock that stepped back makes nothing fresh for ever.
  return age > -FRESH_MS && age + early < FRESH_MS
}

function readMark(text: string | null): Shared | undefined {
  let read: Partial<Shared> | null
  try {
    read = JSON.parse(text ?? 'null')
  } catch {
    return undefined
  }
  if (typeof read !== 'object' || read === null || typeof read.birth !== 'string') return undefined
  const { version, readAt, triedAt, at } = read
  return [version, readAt, triedAt, at].every(Number.isFinite) ? (read as Shared) : undefined
}

/** Beside the overlay, so that it need not be read to know how old it is. */
const MARK = 'x-fourseven-shared'
const NOTHING: Shared = { birth: '', version: -1, readAt: 0, triedAt: 0, at: 0 }
const MEMORY_MS = 1_000
const FRESH_MS = 2_000
const EARLY_MS = 100
const KEPT_S = 86_400
