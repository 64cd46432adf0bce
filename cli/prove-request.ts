// What the request of a case gets: the Worker's own facts, decision and edits, over every choice that chance may make.

import type { AskedRequest } from '../shared/config/parse-expect.ts'
import type { HttpDecision } from '../shared/decide/decision.ts'
import { decideHttp } from '../shared/decide/http.ts'
import { type Candidate, explainAtDoor, explainHttp, type HttpExplanation } from '../shared/explain/http.ts'
import { editRequest } from '../shared/http/edit.ts'
import { refusalOf } from '../shared/http/refuse.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import { createObserved, type Observed } from '../shared/pool/observed.ts'
import type { Table } from '../shared/table/table.ts'
import { editAnswer } from '../workers/edit.ts'
import { readFacts } from '../workers/facts.ts'
import { carryOut } from '../workers/forward.ts'
import type { Isolate } from '../workers/isolate.ts'
import { askedRequest } from './asked-request.ts'
import type { Outcome } from './prove.ts'

/** Every outcome that the request may have; more than one where it is left to chance. A text says why it cannot be asked. */
export async function proveRequest(ask: AskedRequest, isolate: Isolate): Promise<readonly Outcome[] | string> {
  let request: Request
  try {
    const { url, method, headers, address, country } = ask
    request = askedRequest({ url: new URL(url), method, headers, client: address, country })
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  const { table } = isolate
  const facts = readFacts(request, table, isolate.cookieKeys, Date.now())
  if (ask.listener !== undefined && facts.listener !== ask.listener) {
    return `it is served by ${facts.listener === undefined ? 'no listener' : `listener "${facts.listener}"`}, by its host ${facts.host}`
  }
  if (ask.address !== undefined && facts.clientAddress !== ask.address) {
    return `listener "${facts.listener}" does not believe the address ${ask.address}: see its clientAddress`
  }
  const refusal = refusalOf(request.url.length, request.headers, facts, table.instance)
  if (refusal !== undefined) {
    const explanation = explainAtDoor(table, facts, facts.listener, refusal)
    return [await outcomeOf(refusal, explanation, facts, request, isolate, 0)]
  }
  const outcomes: Outcome[] = []
  for (const { decision, draw, observed } of byChance(table, facts)) {
    const explanation = explainHttp(table, facts, observed, draw)
    outcomes.push(await outcomeOf(decision, explanation, facts, request, isolate, draw))
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
  isolate: Isolate,
  draw: number,
): Promise<Outcome> {
  const { rule } = decision
  const words = explanation.decision
  const sent = decision.do === 'forward' ? decision : undefined
  const requestHeaders = new Headers(request.headers)
  let answer: Response
  if (sent === undefined) {
    answer = (await carryOut(isolate, decision, facts, request, draw, NO_CONTEXT)).response
  } else {
    editRequest(requestHeaders, sent, facts, isolate.table.instance)
    if (words.do === 'forward') requestHeaders.set('host', new URL(words.url).host)
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
const NO_CONTEXT = { waitUntil: () => {}, passThroughOnException: () => {}, props: {} } as unknown as Parameters<
  typeof carryOut
>[5]
