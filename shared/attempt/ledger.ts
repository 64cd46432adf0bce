// The subrequests of one request: a Worker may make so many (50 free, 10,000 paid) and the next one throws. One ledger
// is shared by first try, retries, hedges and mirrors.

/** Changed in place; lives as long as its request. */
export interface Ledger {
  left: number
}

export function openLedger(subrequests: number): Ledger {
  return { left: subrequests }
}

/**
 * Takes one, or says no.
 *
 * @param keep how many must be left for others: a mirror leaves enough for every try that may still come
 */
export function takeSubrequest(ledger: Ledger, keep = 0): boolean {
  if (ledger.left <= keep) return false
  ledger.left -= 1
  return true
}
