// CORS of a rule as the machine reads it: origins sorted by how they are compared, lists joined.

import type { CorsConfig } from '../config/parsed.ts'

export interface Cors {
  readonly isAnyOrigin: boolean
  readonly origins: readonly string[]
  /** `https://*.example.com:8443` as what stands before and behind the star. */
  readonly wildcards: readonly { readonly start: string; readonly end: string }[]
  /** Joined; undefined for `*`. */
  readonly methods: string | undefined
  /** Joined, empty for none; undefined for `*`. */
  readonly headers: string | undefined
  /** Joined; empty for none. */
  readonly expose: string
  readonly hasCredentials: boolean
  /** Seconds. */
  readonly maxAge: string
}

export function compileCors(config: CorsConfig | undefined): Cors | undefined {
  if (config === undefined) return undefined
  const { origins, methods, headers, expose, hasCredentials, maxAgeS } = config
  return {
    isAnyOrigin: origins.includes('*'),
    origins: origins.filter(origin => !origin.includes('*')),
    wildcards: origins.flatMap(origin => {
      const star = origin.indexOf('*')
      return star > 0 ? [{ start: origin.slice(0, star), end: origin.slice(star + 1) }] : []
    }),
    methods: methods.includes('*') ? undefined : methods.join(', '),
    headers: headers.includes('*') ? undefined : headers.join(', '),
    // With credentials a star is a name like any other (Fetch, "CORS protocol and credentials"): it would say nothing.
    expose: (hasCredentials ? expose.filter(name => name !== '*') : expose).join(', '),
    hasCredentials,
    maxAge: String(maxAgeS),
  }
}
