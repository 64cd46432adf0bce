// Runs named rows of real traffic, each bounded in time, and says what each expected and saw.

import { drawTable, paint } from './paint.ts'

/** One thing that has to hold, proved by traffic. `World` is what the row may use: addresses and demo endpoints. */
export interface SmokeRow<World> {
  /** What it proves, a few words. */
  readonly what: string
  readonly expected: string
  /** What was seen. It is right when it equals `expected`, or when `isRight` says so. Throwing is a failed row. */
  readonly see: (world: World, signal: AbortSignal) => Promise<string>
  readonly isRight?: (seen: string) => boolean
}

export interface SmokeResult {
  readonly what: string
  readonly expected: string
  readonly seen: string
  readonly ok: boolean
}

/** Runs the rows one after the other, at most `rowMs` each and `allMs` together; what was not reached has failed. */
export async function runRows<World>(
  rows: readonly SmokeRow<World>[],
  world: World,
  bounds: { readonly rowMs: number; readonly allMs: number },
): Promise<SmokeResult[]> {
  const all = AbortSignal.timeout(bounds.allMs)
  const results: SmokeResult[] = []
  for (const row of rows) results.push(await runRow(row, world, bounds.rowMs, all))
  return results
}

async function runRow<World>(
  row: SmokeRow<World>,
  world: World,
  rowMs: number,
  all: AbortSignal,
): Promise<SmokeResult> {
  const { what, expected } = row
  if (all.aborted) return { what, expected, seen: 'not reached, the time was up', ok: false }
  const signal = AbortSignal.any([all, AbortSignal.timeout(rowMs)])
  try {
    const seen = await Promise.race([row.see(world, signal), rejectWhen(signal, rowMs)])
    return { what, expected, seen, ok: row.isRight === undefined ? seen === expected : row.isRight(seen) }
  } catch (error) {
    const cause = signal.aborted ? `nothing within ${rowMs} ms` : error instanceof Error ? error.message : String(error)
    return { what, expected, seen: cause, ok: false }
  }
}

function rejectWhen(signal: AbortSignal, rowMs: number): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`nothing within ${rowMs} ms`)), { once: true })
  })
}

export function isAllRight(results: readonly SmokeResult[]): boolean {
  return results.length > 0 && results.every(result => result.ok)
}

/** The table for people, and one line that sums it up. */
export function renderResults(results: readonly SmokeResult[]): string {
  const rows = results.map(({ what, expected, seen, ok }) => [
    what,
    expected,
    seen,
    ok ? paint('green', 'ok') : paint('red', 'FAILED'),
  ])
  const failed = results.filter(result => !result.ok).length
  if (rows.length === 0) return paint('red', 'No row was run.')
  const sum = failed === 0 ? `All ${results.length} rows are ok.` : `${failed} of ${results.length} rows failed.`
  return `${drawTable(['what', 'expected', 'seen', 'ok'], rows)}\n${paint(failed === 0 ? 'green' : 'red', sum)}`
}
