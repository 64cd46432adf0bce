// Hostnames as routes and listeners write them: a whole name, or `*.` and a name that takes one or more labels in front.

export function isWildcard(hostname: string): boolean {
  return hostname.startsWith('*.')
}

/** Whether every host that `narrow` takes is taken by `wide` too. Undefined stands for any host. */
export function coversHost(wide: string | undefined, narrow: string | undefined): boolean {
  if (wide === undefined) return true
  if (narrow === undefined) return false
  if (!isWildcard(wide)) return wide === narrow
  return isWildcard(narrow) ? narrow === wide || narrow.endsWith(wide.slice(1)) : narrow.endsWith(wide.slice(1))
}

/** The narrower of two hostnames when one covers the other, else undefined: a route's hostname as its listener serves it. */
export function narrowerHost(one: string, other: string): string | undefined {
  if (coversHost(one, other)) return other
  return coversHost(other, one) ? one : undefined
}

/** The hostnames a route answers to on a listener; `'any'` when neither names one, an empty list when they never meet. */
export function servedHosts(listener: readonly string[], route: readonly string[]): readonly string[] | 'any' {
  if (route.length === 0) return 'any'
  if (listener.length === 0) return route
  const served = route.flatMap(mine =>
    listener.map(theirs => narrowerHost(mine, theirs)).filter(host => host !== undefined),
  )
  return [...new Set(served)]
}

/**
 * The one listener that serves a host: the one with the most specific hostname that takes it, or the first without
 * hostnames; undefined when none takes it.
 */
export function listenerFor<Listener extends { readonly hostnames: readonly string[] }>(
  listeners: readonly Listener[],
  host: string,
): Listener | undefined {
  let best: Listener | undefined
  let bestLength = -1
  for (const listener of listeners) {
    if (listener.hostnames.length === 0) best ??= listener
    for (const hostname of listener.hostnames) {
      if (hostname === host) return listener
      if (hostname.length > bestLength && coversHost(hostname, host)) {
        best = listener
        bestLength = hostname.length
      }
    }
  }
  return best
}
