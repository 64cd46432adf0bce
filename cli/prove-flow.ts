// What the connection or session of a case gets: the relay's own decision, over every choice that chance may make.

import type { AskedFlow } from '../shared/config/parse-expect.ts'
import type { FlowDecision } from '../shared/decide/decision.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import { decideFlow } from '../shared/decide/flow.ts'
import { reasons } from '../shared/decide/reason.ts'
import { explainFlow } from '../shared/explain/flow.ts'
import { createObserved, type Observed } from '../shared/pool/observed.ts'
import type { FlowListener, Table } from '../shared/table/table.ts'
import { parseAddress } from '../shared/wire/address.ts'
import type { Outcome } from './prove.ts'

/** Every outcome that the flow may have; more than one where it is left to chance. */
export function proveFlow(ask: AskedFlow, table: Table): readonly Outcome[] | string {
  const listener = table.flowListeners.get(ask.listener)
  if (listener === undefined) return `no route is on listener "${ask.listener}"`
  const facts = factsOf(ask, listener)
  const chosen = new Map<
    string,
    { readonly decision: FlowDecision; readonly draw: number; readonly observed: Observed }
  >()
  for (let draw = 1; draw <= DRAWS; draw++) {
    const size = { slots: table.slots.size, pools: table.pools.length }
    const observed = createObserved({ ...size, shared: false, firstTurn: draw })
    const decision = decideFlow(listener, facts, observed, draw)
    const key = decision.do === 'forward' ? JSON.stringify([decision.variant.name, decision.first.name]) : ''
    if (!chosen.has(key)) chosen.set(key, { decision, draw, observed })
  }
  return [...chosen.values()].map(({ decision, draw, observed }) => {
    const explanation = explainFlow(listener, facts, observed, draw)
    const sent = decision.do === 'forward' ? decision : undefined
    const reason = decision.do === 'refuse' ? decision.reason : undefined
    return {
      got: {
        route: decision.rule?.route,
        rule: decision.rule?.name,
        variant: sent?.variant.name,
        pool: sent?.pool.name,
        endpoint: sent?.first.name,
        reason,
        ...NO_HTTP,
      },
      candidates: explanation.candidates,
      decidedBy: explanation.decidedBy,
      serves: explanation.candidates.find(({ verdict }) => verdict === 'serves'),
      says: reason && reasons[reason].says,
      chosenBy: explanation.split?.chosenBy,
    }
  })
}

function factsOf({ from, sni, alpn }: AskedFlow, listener: FlowListener): FlowFacts {
  return {
    listener: listener.name,
    clientAddress: from.host,
    address: parseAddress(from.host),
    clientPort: from.port,
    localAddress: listener.host,
    localPort: listener.port,
    peerAddress: from.host,
    peerPort: from.port,
    proxyHeader: undefined,
    peeked: listener.kind === 'tls' ? 'hello' : 'nothing',
    sni: listener.kind === 'tls' ? sni : undefined,
    alpn: listener.kind === 'tls' ? alpn : [],
    now: Date.now(),
  }
}

const DRAWS = 256
const NO_HTTP = {
  status: undefined,
  location: undefined,
  body: undefined,
  path: undefined,
  requestHeaders: undefined,
  responseHeaders: undefined,
} as const
