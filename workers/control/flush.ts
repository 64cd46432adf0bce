// Sends what this isolate has counted to the control object, beside its looks: at most once a second, and less often when
// the object says that many do. Data points for Analytics Engine go the same way, when a dataset is bound.

import { type Counted, countedSince, openCounted } from '../../shared/metrics/since.ts'
import type { Isolate } from '../isolate.ts'
import type { Flush } from './counts.ts'
import type { ControlStub } from './find.ts'

export interface Flushing {
  readonly isolate: string
  readonly counted: Counted
  /** Not before. */
  nextAt: number
  /** What could not be sent: it goes with the next. */
  unsent: Flush | undefined
  /** Until when the overlay ejects an endpoint, by this isolate's clock: that is no evidence of its own. */
  toldUntil: ReadonlyMap<string, number>
}

export function openFlushing(): Flushing {
  return { isolate: crypto.randomUUID(), counted: openCounted(), nextAt: 0, unsent: undefined, toldUntil: new Map() }
}

/** @param place the data centre of the request beside which it is sent */
export async function flush(
  isolate: Isolate,
  flushing: Flushing,
  find: () => ControlStub,
  place: string,
): Promise<void> {
  const now = Date.now()
  if (now < flushing.nextAt) return
  flushing.nextAt = now + LEAST_MS
  const { metrics, seen, table } = isolate
  const since = countedSince(flushing.counted, metrics, table, seen.observed, now, flushing.toldUntil)
  if (since.series.length + since.endpoints.length === 0 && flushing.unsent === undefined) return
  writePoints(isolate, since, place)
  const sent: Flush = together(flushing.unsent, { place, isolate: flushing.isolate, ...since })
  flushing.unsent = undefined
  try {
    const { againInMs } = await find().flush(sent)
    flushing.nextAt = now + Math.min(Math.max(againInMs, LEAST_MS), MOST_MS)
  } catch {
    // Kept up to a bound; the metrics of the isolate have them in any case.
    if (sent.series.length + sent.endpoints.length <= MOST_UNSENT) flushing.unsent = sent
    flushing.nextAt = now + AFTER_FAILURE_MS
  }
}

function together(one: Flush | undefined, other: Flush): Flush {
  if (one === undefined) return other
  return { ...other, series: [...one.series, ...other.series], endpoints: [...one.endpoints, ...other.endpoints] }
}

/** One point for each route and variant: requests, errors. Written and forgotten: nothing waits for them. */
function writePoints({ bindings }: Isolate, { series }: Pick<Flush, 'series'>, place: string): void {
  const dataset = bindings.FOURSEVEN_ANALYTICS
  if (dataset === undefined) return
  for (const { route, variant, requests, errors } of series.slice(0, MOST_POINTS)) {
    dataset.writeDataPoint({
      indexes: [route.slice(0, 96)],
      blobs: [route, variant, place],
      doubles: [requests, errors],
    })
  }
}

const LEAST_MS = 1_000
const MOST_MS = 60_000
const AFTER_FAILURE_MS = 10_000
const MOST_UNSENT = 2_000
/** Of what one invocation may write (docs: 250). */
const MOST_POINTS = 100
