// Says why for a connection or session: the production decision and each step that led to it.

import { planFlow } from '../attempt/plan.ts'
import type { SessionCounts, SessionKey } from '../config/parsed.ts'
import type { FlowDecision } from '../decide/decision.ts'
import type { FlowFacts } from '../decide/facts.ts'
import { decideFlow, flowKey, splitFacts } from '../decide/flow.ts'
import { kernelSplitSlot, kernelVariant } from '../decide/kernel.ts'
import { flowFailure, matchFlow } from '../decide/match.ts'
import { reasons } from '../decide/reason.ts'
import type { Draw } from '../pool/draw.ts'
import type { Observed } from '../pool/observed.ts'
import type { Pool } from '../pool/pool.ts'
import { decidingFlowStep } from '../table/precedence.ts'
import type { FlowListener, FlowMatch } from '../table/table.ts'
import { formatHostPort, parseAddress } from '../wire/address.ts'
import type { Candidate } from './http.ts'
import { explainPool, type PoolExplanation } from './pool.ts'
import { explainSplit, type SplitExplanation } from './split.ts'

export interface FlowExplanation {
  readonly flow: {
    readonly listener: string
    readonly from: string
    readonly to: string
    /** What is asked for in TLS; undefined at a listener that does not look. */
    readonly tls: { readonly sni: string | undefined; readonly alpn: readonly string[] } | undefined
    /** Peers whose connections have to begin with a PROXY header; `from` is then the client that it carries. */
    readonly carriedBy: readonly string[]
    /** What makes datagrams one session; undefined for connections. */
    readonly key: SessionKey | undefined
  }
  readonly candidates: readonly Omit<Candidate, 'hostname'>[]
  /** Who would have been next, and the step of precedence that decided; undefined when nobody else would. */
  readonly decidedBy: { readonly over: string; readonly step: string } | undefined
  readonly decision:
    | {
        readonly do: 'forward'
        readonly rule: string
        readonly variant: string
        readonly pool: string
        /** Undefined: it goes by where the client connects to, and nobody said where that is. */
        readonly endpoint: string | undefined
        /** No more than the pool has endpoints; undefined for sessions, as is `connectMs`. */
        readonly attempts: number | undefined
        readonly connectMs: number | undefined
        readonly idleMs: number
        /** Undefined for connections. */
        readonly session: SessionCounts | undefined
      }
    | { readonly do: 'refuse'; readonly rule: string | undefined; readonly reason: string; readonly says: string }
  readonly split: SplitExplanation | undefined
  readonly pool: PoolExplanation | undefined
}

/** The decision for these facts and all that led to it. What goes by an address that they do not know is left open. */
export function explainFlow(listener: FlowListener, facts: FlowFacts, observed: Observed, draw: Draw): FlowExplanation {
  const decision = decideFlow(listener, facts, observed, draw)
  const winner = matchFlow(listener, facts)
  const isKernels = listener.kernel !== undefined
  const key = decision.do === 'refuse' ? undefined : isKernels ? decision.key : flowKey(decision.pool, facts)
  const found =
    decision.do === 'refuse' ? undefined : explainPool(decision.pool, decision.first, observed, facts.now, draw, key)
  // The kernel tries nobody else.
  const pool =
    found === undefined || !isKernels ? found : { ...found, balance: kernelBalance, order: found.order.slice(0, 1) }
  const isOpen =
    !isKernels && pool !== undefined && goesByFlow(decision.pool) && pool.order.length > 1 && !knowsLocal(facts)
  return {
    flow: {
      listener: listener.name,
      from: formatHostPort(facts.clientAddress, facts.clientPort),
      to: formatHostPort(facts.localAddress, facts.localPort),
      tls: facts.peeked === 'nothing' ? undefined : { sni: facts.sni, alpn: facts.alpn },
      carriedBy: listener.proxySources.flatMap(({ cidr, isRequired }) => (isRequired ? [cidr.text] : [])),
      key: listener.sessionKey,
    },
    candidates: listener.matches.map(match => {
      const failure = flowFailure(match, facts)
      return {
        rule: match.rule.id,
        path: match.rule.path,
        match: match.place,
        verdict: match === winner ? 'serves' : failure === undefined ? 'holds, but comes later' : 'does not hold',
        failed: failure === undefined ? undefined : { predicate: failure, ...wantedAndGot(match, facts, failure) },
      }
    }),
    decidedBy: decidedBy(listener, facts, winner),
    decision:
      decision.do === 'refuse'
        ? refusalWords(decision)
        : forwardWords(decision, pool, isOpen, draw, isKernels || listener.sessionKey !== undefined),
    split: winner === undefined ? undefined : splitWords(listener, winner, facts, draw),
    pool: isOpen ? undefined : pool,
  }
}

function splitWords(listener: FlowListener, { rule }: FlowMatch, facts: FlowFacts, draw: Draw) {
  const explained = explainSplit(rule, splitFacts(facts), draw)
  const { split } = rule
  if (listener.kernel === undefined || explained === undefined || facts.address === undefined) return explained
  const slot = kernelSplitSlot(split!, facts.address)
  return { ...explained, slot, chosen: kernelVariant(rule, facts.address).name }
}

const kernelBalance = "slots by the kernel's hash"

/** A listener on every address, on a name or on a free port does not say where its clients connect to. */
function knowsLocal({ localAddress, localPort }: FlowFacts): boolean {
  if (localAddress.startsWith('unix:') || localAddress.startsWith('/')) return true
  const isOne = parseAddress(localAddress)?.words.some(word => word !== 0)
  return isOne === true && localPort !== 0
}

function goesByFlow(pool: Pool | undefined): boolean {
  return pool?.balance.by === 'hash' && pool.balance.key.from === 'flow'
}

function refusalWords({ rule, reason }: FlowDecision & { readonly do: 'refuse' }): FlowExplanation['decision'] {
  return { do: 'refuse', rule: rule?.id, reason, says: reasons[reason].says }
}

function forwardWords(
  { rule, variant, pool, first }: FlowDecision & { readonly do: 'forward' },
  explained: PoolExplanation | undefined,
  isOpen: boolean,
  draw: Draw,
  isSession: boolean,
): FlowExplanation['decision'] {
  const plan = planFlow(Math.min(rule.attempts, pool.endpoints.length), rule.timeouts.connectMs, draw)
  return {
    do: 'forward',
    rule: rule.id,
    variant: variant.name,
    pool: pool.name,
    endpoint: isOpen ? undefined : first.name,
    attempts: isSession ? undefined : Math.min(plan.attempts, explained!.order.length),
    connectMs: isSession ? undefined : plan.totalMs,
    idleMs: rule.timeouts.idleMs,
    session: isSession ? rule.session : undefined,
  }
}

function wantedAndGot(
  match: FlowMatch,
  facts: FlowFacts,
  failure: 'sni' | 'alpn' | 'address',
): { readonly wanted: string; readonly got: string } {
  switch (failure) {
    case 'sni':
      return { wanted: match.sni!, got: facts.sni ?? 'none' }
    case 'alpn':
      return { wanted: match.alpn.join(', '), got: facts.alpn.join(', ') || 'none' }
    case 'address':
      return { wanted: match.cidrs.map(cidr => cidr.text).join(', '), got: facts.clientAddress }
  }
}

function decidedBy(
  listener: FlowListener,
  facts: FlowFacts,
  winner: FlowMatch | undefined,
): FlowExplanation['decidedBy'] {
  if (winner === undefined) return undefined
  const next = listener.matches.find(match => match !== winner && flowFailure(match, facts) === undefined)
  return next === undefined ? undefined : { over: next.rule.id, step: decidingFlowStep(winner, next) }
}
