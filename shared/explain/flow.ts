// Says why for a connection or session: the production decision and each step that led to it.

import type { FlowFacts } from '../decide/facts.ts'
import { decideFlow, flowKey, splitFacts } from '../decide/flow.ts'
import { flowHolds, matchFlow } from '../decide/match.ts'
import { reasons } from '../decide/reason.ts'
import type { Draw } from '../pool/draw.ts'
import type { Observed } from '../pool/observed.ts'
import type { FlowListener } from '../table/table.ts'
import type { Candidate } from './http.ts'
import { explainPool, type PoolExplanation } from './pool.ts'
import { explainSplit, type SplitExplanation } from './split.ts'

export interface FlowExplanation {
  readonly flow: { readonly listener: string; readonly from: string; readonly to: string }
  readonly candidates: readonly Omit<Candidate, 'hostname'>[]
  readonly decision:
    | {
        readonly do: 'forward'
        readonly rule: string
        readonly variant: string
        readonly pool: string
        readonly endpoint: string
        readonly attempts: number
        readonly connectMs: number
        readonly idleMs: number
      }
    | { readonly do: 'refuse'; readonly rule: string | undefined; readonly reason: string; readonly says: string }
  readonly split: SplitExplanation | undefined
  readonly pool: PoolExplanation | undefined
}

export function explainFlow(listener: FlowListener, facts: FlowFacts, observed: Observed, draw: Draw): FlowExplanation {
  const decision = decideFlow(listener, facts, observed, draw)
  const winner = matchFlow(listener, facts)
  return {
    flow: {
      listener: listener.name,
      from: `${facts.clientAddress}:${facts.clientPort}`,
      to: `${facts.localAddress}:${facts.localPort}`,
    },
    candidates: listener.matches.map(match => ({
      rule: match.rule.id,
      path: match.rule.path,
      match: match.place,
      verdict: match === winner ? 'serves' : flowHolds(match, facts) ? 'holds, but comes later' : 'does not hold',
      failed: flowHolds(match, facts)
        ? undefined
        : {
            predicate: 'address',
            wanted: match.cidrs.map(cidr => cidr.text).join(', '),
            got: facts.clientAddress,
          },
    })),
    decision:
      decision.do === 'refuse'
        ? {
            do: 'refuse',
            rule: decision.rule?.id,
            reason: decision.reason,
            says: reasons[decision.reason].says,
          }
        : {
            do: 'forward',
            rule: decision.rule.id,
            variant: decision.variant.name,
            pool: decision.pool.name,
            endpoint: decision.first.name,
            attempts: decision.rule.attempts,
            ...decision.rule.timeouts,
          },
    split: winner === undefined ? undefined : explainSplit(winner.rule, splitFacts(facts), draw),
    pool:
      decision.do === 'refuse'
        ? undefined
        : explainPool(decision.pool, decision.first, observed, facts.now, draw, flowKey(decision.pool, facts)),
  }
}
