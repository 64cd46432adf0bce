// What the request of a case gets: the door's own facts, decision and edits, over every choice that chance may make.

import { hostFor } from '../relay/http/request-tries.ts'
import type { AskedRequest } from '../shared/config/parse-expect.ts'
import type { ForwardDecision, HttpDecision } from '../shared/decide/decision.ts'
import { decideHttp } from '../shared/decide/http.ts'
import { type Candidate, explainAtDoor, explainHttp, type HttpExplanation } from '../shared/explain/http.ts'
import { editRequest } from '../shared/http/edit.ts'
import { refusalOf } from '../shared/http/refuse.ts'
import { type DoorFacts, readRequestFacts } from '../shared/http/request-facts.ts'
import { splitUrl } from '../shared/http/target.ts'
import { createObserved, type Observed } from '../shared/pool/observed.ts'
import { httpDoorOf } from '../shared/table/compile-http.ts'
import type { Table } from '../shared/table/table.ts'
import { editAnswer } from '../workers/edit.ts'
import { readFacts } from '../workers/facts.ts'
import { carryOut } from '../workers/forward.ts'
import type { Isolate } from '../workers/isolate.ts'
import { askedRequest } from './asked-request.ts'
import type { Outcome } from './prove.ts'

/** Where a request is asked. */
export interface ProvenDoor {
  readonly isolate: Isolate
  readonly read: (request: Request, ask: AskedRequest) => DoorFacts
  /** The Host that the endpoint sees, which is asked for `url`. */
  readonly hostFor: (sent: ForwardDecision, url: URL, facts: DoorFacts) => string
}

/** The Worker. */
export function edgeDoor(isolate: Isolate): ProvenDoor {
  return {
    isolate,
    read: request => readFacts(request, isolate.table, isolate.cookieKeys, Date.now()),
    hostFor: (_, url) => url.host,
  }
}

/** An `http` listener of the relay, whose clients are its peers. */
export function httpDoor(isolate: Isolate, listener: string): ProvenDoor {
  return {
    isolate,
    read: (request, { address }) => {
      const url = splitUrl(request.url)
      const { headers, method } = request
      const arrived = {
        ...url,
        door: httpDoorOf(isolate.table, listener),
        said: headers.get('host'),
        method,
        peer: address ?? CLIENT,
        header: (name: string) => headers.get(name),
        // A case is for the listener that its host belongs to.
        serverName: () => undefined,
        country: () => undefined,
        protocol: () => 'HTTP/1.1',
      }
      const chance = { word: () => 0, requestId: () => 'case' }
      return readRequestFacts(arrived, isolate.table, isolate.cookieKeys, Date.now(), chance)
    },
    hostFor: ({ first, variant }, _, { host, port }) =>
      hostFor(first, variant.filters.host, port === 0 ? host : `${host}:${port}`),
  }
}

/** Every outcome that the request may have; more than one where it is left to chance. A text says why it cannot be asked. */
export async function proveRequest(ask: AskedRequest, door: ProvenDoor): Promise<readonly Outcome[] | string> {
  const { isolate } = door
  let request: Request
  try {
    const { url, method, headers, address, country } = ask
    request = askedRequest({ url: new URL(url), method, headers, client: address, country })
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const { table } = isolate
  const facts = door.read(request, ask)
  if (ask.listener !== undefined && facts.listener !== ask.listener) {
    return `it is served by ${facts.listener === undefined ? 'no listener' : `listener "${facts.listener}"`}, by its host ${facts.host}`
  }
  if (ask.address !== undefined && facts.clientAddress !== ask.address) {
    return `listener "${facts.listener}" does not believe the address ${ask.address}: see its clientAddress`
  }
  const refusal = refusalOf(request.url.length, request.headers, facts, table.instance)
  if (refusal !== undefined) {
    const explanation = explainAtDoor(table, facts, facts.listener, refusal)
    return [await outcomeOf(refusal, explanation, facts, request, door, 0)]
  }
  const outcomes: Outcome[] = []
  for (const { decision, draw, observed } of byChance(table, facts)) {
    const explanation = explainHttp(table, facts, observed, draw)
    outcomes.push(await outcomeOf(decision, explanation, facts, request, door, draw))
  }
  return outcomes
}

interface Chosen {
  readonly decision: HttpDecision
  readonly draw: number
  readonly observed: Observed
}

/** One decision for each variant and endpoint that chance may choose. */
function byChance(table: Table, facts: DoorFacts): Iterable<Chosen> {
  const chosen = new Map<string, Chosen>()
  const open = drawnVariants(table, facts)
  let observed = observedAt(table, 1)
  for (let draw = 1; draw <= DRAWS || (open.size > 0 && draw <= MOST_DRAWS); draw++) {
    if (draw <= DRAWS) observed = observedAt(table, draw)
    const decision = decideHttp(table, facts, observed, draw)
    const variant = 'variant' in decision ? decision.variant : undefined
    const key = JSON.stringify([variant?.name, decision.do === 'forward' ? decision.first.name : ''])
    if (!chosen.has(key)) chosen.set(key, { decision, draw, observed })
    if (variant !== undefined) open.delete(variant.name)
  }
  return chosen.values()
}

/** Round robin begins elsewhere in each. */
function observedAt(table: Table, firstTurn: number): Observed {
  return createObserved({ slots: table.slots.size, pools: table.pools.length, shared: false, firstTurn })
}

/** The variants that a draw may give to a user nobody knows; those with a small weight need many draws until one is met. */
function drawnVariants(table: Table, facts: DoorFacts): Set<string> {
  const { split } = explainHttp(table, facts, observedAt(table, 1), 1)
  const isDrawn = split?.user?.from === 'draw' || split?.user?.from === 'new cookie'
  if (split === undefined || !isDrawn) return new Set()
  return new Set(split.variants.flatMap(({ name, slots }) => (slots > 0 ? [name] : [])))
}

async function outcomeOf(
  decision: HttpDecision,
  explanation: HttpExplanation,
  facts: DoorFacts,
  request: Request,
  door: ProvenDoor,
  draw: number,
): Promise<Outcome> {
  const { isolate } = door
  const { rule } = decision
  const words = explanation.decision
  const sent = decision.do === 'forward' ? decision : undefined
  const requestHeaders = new Headers(request.headers)
  let answer: Response
  if (sent === undefined) {
    answer = (await carryOut(isolate, decision, facts, request, draw, NO_CONTEXT)).response
  } else {
    editRequest(requestHeaders, sent, facts, isolate.table.instance)
    if (words.do === 'forward') requestHeaders.set('host', door.hostFor(sent, new URL(words.url), facts))
    answer = editAnswer(new Response(null), isolate, sent, sent.first, facts, request, false)
  }
  const url = words.do === 'forward' ? new URL(words.url) : undefined
  return {
    got: {
      route: rule?.route,
      rule: rule?.name,
      variant: 'variant' in decision ? decision.variant?.name : undefined,
      pool: sent?.pool.name,
      endpoint: sent?.first.name,
      reason: decision.do === 'reply' ? decision.reason : undefined,
      status: sent === undefined ? answer.status : undefined,
      location: decision.do === 'redirect' ? (answer.headers.get('location') ?? undefined) : undefined,
      body: sent === undefined ? await answer.text() : undefined,
      path: url && `${url.pathname}${url.search}`,
      requestHeaders: sent && (name => requestHeaders.get(name) ?? undefined),
      responseHeaders: name => answer.headers.get(name) ?? undefined,
    },
    candidates: explanation.candidates,
    decidedBy: explanation.decidedBy,
    serves: explanation.candidates.find(({ verdict }: Candidate) => verdict === 'serves'),
    says: words.do === 'reply' ? words.says : undefined,
    chosenBy: explanation.split?.chosenBy,
  }
}

/** Rare variants: one in 65,536 is met by most runs of so many. */
const MOST_DRAWS = 200_000
/** Endpoints of a pool: of 20 that are alike each is missed once in 28,000 cases. */
const DRAWS = 256
/** Of a block that is kept for documentation (RFC 5737). */
const CLIENT = '192.0.2.1'
const NO_CONTEXT = { waitUntil: () => {}, passThroughOnException: () => {}, props: {} } as unknown as Parameters<
  typeof carryOut
>[5]
