// Evidence of outliers from many places, and when it is enough to eject an endpoint for everybody. One place that cannot
// reach an endpoint may be cut off itself, so a place alone ejects for itself only; the whole ejects what most of the
// places that use the endpoint have ejected too.

/** What one isolate has seen of an endpoint since it last said so. */
export interface EndpointSeen {
  /** `pool/name`, as the config has it. */
  readonly endpoint: string
  readonly requests: number
  /** It is ejected there by that isolate's own judgement. */
  readonly isEjected: boolean
}

/** By endpoint the last word of each isolate; changed in place. */
export type Evidence = Map<string, Map<string, Vote>>

interface Vote {
  readonly place: string
  readonly isEjected: boolean
  readonly at: number
}

export interface Voices {
  /** How many places have ejected the endpoint: more than half of their isolates that use it have. */
  readonly against: number
  /** How many places have used it lately. */
  readonly of: number
}

/**
 * Notes what an isolate has seen, and gives the endpoints that enough places agree on: two at least, and more than half of
 * those that use the endpoint. Not how many requests failed is counted, but who has ejected: an endpoint that dies after a
 * thousand answers has few failures everywhere, and is ejected everywhere.
 *
 * @param place the data centre
 * @param endpoints how many there can be; what is beyond is not noted
 */
export function noteSeen(
  evidence: Evidence,
  { place, isolate }: { readonly place: string; readonly isolate: string },
  seen: readonly EndpointSeen[],
  now: number,
  endpoints: number,
): readonly string[] {
  const agreed: string[] = []
  for (const { endpoint, requests, isEjected } of seen) {
    if (requests === 0 && !isEjected) continue
    let votes = evidence.get(endpoint)
    if (votes === undefined) {
      if (evidence.size >= endpoints) continue
      votes = new Map()
      evidence.set(endpoint, votes)
    }
    if (votes.size >= mostVotes) for (const [voter, { at }] of votes) if (at <= now - votesForMs) votes.delete(voter)
    if (votes.size >= mostVotes && !votes.has(isolate)) continue
    votes.set(isolate, { place, isEjected, at: now })
    if (!isEjected) continue
    const { against, of } = voices(evidence, endpoint, now)
    if (against >= leastPlaces && against * 2 > of) agreed.push(endpoint)
  }
  return agreed
}

export function voices(evidence: Evidence, endpoint: string, now: number): Voices {
  const places = new Map<string, { against: number; of: number }>()
  for (const { place, isEjected, at } of evidence.get(endpoint)?.values() ?? []) {
    if (at <= now - votesForMs) continue
    const isolates = places.get(place) ?? { against: 0, of: 0 }
    isolates.of += 1
    if (isEjected) isolates.against += 1
    places.set(place, isolates)
  }
  const against = [...places.values()].filter(isolates => isolates.against * 2 > isolates.of).length
  return { against, of: places.size }
}

const votesForMs = 15_000
const leastPlaces = 2
/** Of isolates, for one endpoint. */
const mostVotes = 5_000
