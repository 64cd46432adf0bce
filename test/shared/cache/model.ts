// RFC 9111 as a slow and obvious model: it keeps every answer in a list and goes by what was meant, not by header text.

export interface ModelAnswer {
  readonly status: 200 | 404 | 503
  readonly maxAge: number | undefined
  readonly sMaxage: number | undefined
  readonly expiresIn: number | undefined
  readonly age: number
  readonly isPublic: boolean
  readonly isPrivate: boolean
  readonly noStore: boolean
  readonly noCache: boolean
  readonly mustRevalidate: boolean
  readonly staleIfError: number | undefined
  readonly etag: string | undefined
  readonly vary: 'x-a' | 'x-b' | '*' | undefined
  readonly setsCookie: boolean
}

export interface ModelRequest {
  readonly hasAuthorization: boolean
  readonly a: string | undefined
  readonly b: string | undefined
  readonly maxAge: number | undefined
  readonly minFresh: number | undefined
  readonly maxStale: number | undefined
  readonly noCache: boolean
  readonly noStore: boolean
  readonly onlyIfCached: boolean
}

/** What the client must get: an answer from the store by its number, the endpoint's, a confirmed one, or 504. */
export type ModelOutcome =
  | { readonly is: 'stored' | 'validated' | 'stale'; readonly body: number }
  | { readonly is: 'endpoint' }
  | { readonly is: 'nothing' }

interface Kept {
  readonly body: number
  readonly request: ModelRequest
  readonly answer: ModelAnswer
  /** Seconds. */
  readonly at: number
}

export class ModelCache {
  private kept: Kept[] = []

  /**
   * @param now seconds
   * @param next what the endpoint would answer, as number `body`
   * @param isUp whether it answers at all
   */
  ask(request: ModelRequest, now: number, next: ModelAnswer, body: number, isUp: boolean): ModelOutcome {
    if (request.noStore) return { is: 'endpoint' }
    const found = this.newestFor(request)
    if (found !== undefined && this.mayGive(found, request, now)) return { is: 'stored', body: found.body }
    if (request.onlyIfCached) return { is: 'nothing' }
    const isOutage = !isUp || next.status === 503
    if (found !== undefined && isOutage && this.mayGiveInOutage(found, request, now)) {
      return { is: 'stale', body: found.body }
    }
    if (!isUp) return { is: 'endpoint' }
    // The endpoint confirms what has its tag.
    if (found?.answer.etag !== undefined && found.answer.etag === next.etag && next.status === 200) {
      this.forget(found)
      // The cookie of a 304 is the client's that asked, and not stored.
      const merged = { ...next, status: found.answer.status, vary: next.vary ?? found.answer.vary, setsCookie: false }
      this.keep({ ...found, request, answer: merged, at: now })
      return { is: 'validated', body: found.body }
    }
    this.keep({ body, request, answer: next, at: now })
    return { is: 'endpoint' }
  }

  private newestFor(request: ModelRequest): Kept | undefined {
    // The newest answer says by what the answers of this URL are told apart; the others are out of reach.
    const newest = this.kept.at(-1)
    const divides = newest?.answer.vary
    return this.kept.findLast(({ answer, request: before }) => {
      if (answer.vary !== divides) return false
      if (answer.vary === 'x-a') return before.a === request.a
      if (answer.vary === 'x-b') return before.b === request.b
      return true
    })
  }

  private mayGive({ answer, at }: Kept, request: ModelRequest, now: number): boolean {
    const age = answer.age + (now - at)
    const left = lifetime(answer) - age
    if (answer.noCache || request.noCache || request.maxAge === 0) return false
    if (request.maxAge !== undefined && age > request.maxAge) return false
    if (request.minFresh !== undefined && left < request.minFresh) return false
    if (left > 0) return true
    return !forbidsStale(answer) && request.maxStale !== undefined && -left <= request.maxStale
  }

  private mayGiveInOutage({ answer, at }: Kept, _request: ModelRequest, now: number): boolean {
    const staleFor = answer.age + (now - at) - lifetime(answer)
    if (answer.noCache || forbidsStale(answer) || answer.staleIfError === undefined) return false
    return answer.staleIfError > 0 && staleFor <= answer.staleIfError
  }

  private keep(one: Kept): void {
    const { answer, request } = one
    if (answer.noStore || answer.isPrivate || answer.setsCookie || answer.vary === '*') return
    const isShared = answer.isPublic || answer.sMaxage !== undefined || answer.mustRevalidate
    if (request.hasAuthorization && !isShared) return
    const says = answer.maxAge ?? answer.sMaxage ?? answer.expiresIn
    const isKnown = answer.status !== 503
    if (says === undefined && !answer.isPublic && !isKnown) return
    const isOfUse =
      answer.etag !== undefined ||
      (!answer.noCache && (lifetime(answer) > answer.age || (!forbidsStale(answer) && (answer.staleIfError ?? 0) > 0)))
    if (!isOfUse) return
    const isSame = (kept: Kept) =>
      kept.answer.vary === answer.vary &&
      (answer.vary === undefined ||
        (answer.vary === 'x-a' ? kept.request.a === request.a : kept.request.b === request.b))
    // An answer that divides otherwise puts the others out of reach for good.
    this.kept = this.kept.filter(kept => kept.answer.vary === answer.vary && !isSame(kept))
    this.kept.push(one)
  }

  private forget(one: Kept): void {
    this.kept = this.kept.filter(kept => kept !== one)
  }
}

function lifetime({ maxAge, sMaxage, expiresIn }: ModelAnswer): number {
  return sMaxage ?? maxAge ?? expiresIn ?? 0
}

function forbidsStale({ mustRevalidate, sMaxage }: ModelAnswer): boolean {
  return mustRevalidate || sMaxage !== undefined
}
