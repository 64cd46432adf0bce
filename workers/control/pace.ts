// How often something comes, and how long each should wait so that all together do not come too often: an object takes
// about a thousand requests a second.

export class Pace {
  /** What each who comes should wait before coming again. */
  paceMs = leastMs
  #second = 0
  #now = 0
  #before = 0

  count(now: number): void {
    this.#turn(now)
    this.#now += 1
  }

  /** In the last whole second. */
  perSecond(now: number): number {
    this.#turn(now)
    return this.#before
  }

  #turn(now: number): void {
    const second = Math.floor(now / 1_000)
    if (second === this.#second) return
    this.#before = second === this.#second + 1 ? this.#now : 0
    this.#now = 0
    this.#second = second
    // Up at once, down slowly: so that it does not swing.
    const wanted = (this.paceMs * this.#before) / wantedPerSecond
    this.paceMs = Math.min(Math.max(wanted > this.paceMs ? wanted : this.paceMs * 0.9, leastMs), mostMs)
  }
}

const leastMs = 1_000
const mostMs = 60_000
const wantedPerSecond = 200
