// The cache of a rule, as the table holds it.

/** Milliseconds and bytes; what an answer says itself goes before what stands here. */
export interface CacheRule {
  /** Which parameters of the query are part of the key: all, or only these, or all but these. */
  readonly query: 'all' | { readonly only: readonly string[] } | { readonly except: readonly string[] }
  /** Request headers that are part of the key whatever `Vary` says; lower case. */
  readonly headers: readonly string[]
  /** By status: how long an answer is fresh that says nothing itself. */
  readonly ttlMs: readonly (readonly [status: number, ms: number])[]
  /** An answer with `Last-Modified` that says nothing else is fresh for a tenth of its age. */
  readonly isHeuristic: boolean
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
  /** Larger answers are passed on and not stored. */
  readonly maxBodyBytes: number
  /** Requests for one key that come while it is asked for wait for that answer. */
  readonly isCollapsing: boolean
  /** The answer's field that lists its tags; lower case. */
  readonly tagHeader: string
}
