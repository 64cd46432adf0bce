// From a decision to a connected endpoint: carries out what the attempt machine says, with sockets and timers.
// Every try claims its endpoint; a failed one is settled here, the connected one when its flow is over.

import { connect as netConnect, type OnReadOpts, type Socket } from 'node:net'
import { type AttemptEvent, type AttemptState, advance, openAttempt } from '../shared/attempt/machine.ts'
import { type AttemptPlan, planFlow } from '../shared/attempt/plan.ts'
import type { EndpointAddress } from '../shared/config/endpoint-address.ts'
import type { FlowDecision } from '../shared/decide/decision.ts'
import type { Reason } from '../shared/decide/reason.ts'
import { next, whyNone } from '../shared/pool/balance.ts'
import type { Draw } from '../shared/pool/draw.ts'
import { claim, learn, type Observed, type Outcome, settle } from '../shared/pool/observed.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import { freeDescriptor, keepDescriptor } from './descriptors.ts'
import type { Connection } from './flow.ts'
import { type Approach, type Reach, reach } from './reach.ts'
import type { Side } from './side.ts'

/** What the relay asks of the machine it runs on. */
export interface Host {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /**
   * A socket on its way to the endpoint, half-open allowed, reading through `onread`.
   *
   * @param opening goes out first, in one write, ahead of TLS too
   */
  readonly connect: (address: EndpointAddress, onread: OnReadOpts, opening?: Uint8Array) => Socket
}

export interface Attempt {
  readonly endpoint: string
  readonly outcome: 'connected' | Reason
  readonly ms: number
}

export interface Forwarded {
  readonly attempts: readonly Attempt[]
  /** Undefined when nothing was connected; `reason` says why. Claimed: whoever gets it settles it. */
  readonly connected: { readonly side: Side; readonly endpoint: Endpoint } | undefined
  readonly reason: Reason | undefined
}

type ForwardDecision = FlowDecision & { readonly do: 'forward' }

/**
 * Tries endpoints until one is connected, within the rule's connect timeout for all tries. A client that goes away
 * (a reset; an end is only half a close) and `flow.cut` end it at once.
 *
 * The pool's retry budget is not asked: a connect that failed has cost the endpoint nothing, and the tries of one flow
 * are bounded by rule, pool and time.
 */
export function forward(
  flow: Connection,
  decision: ForwardDecision,
  observed: Observed,
  draw: Draw,
  host: Host,
  approach: Approach,
): Promise<Forwarded> {
  return new Promise(resolve =>
    new Tries(flow, decision, observed, draw, host, approach, resolve).step({ type: 'begin' }),
  )
}

export const thisHost: Host = {
  now: Date.now,
  connect: (address, onread, opening) => {
    const { scheme, host, port, ip } = address
    const socket = netConnect({
      ...(scheme === 'unix' ? { path: host } : { host: ip ?? host, port, lookup: unresolved }),
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
      onread,
    })
    // Kept until it is connected, and written before anything that comes later.
    if (opening !== undefined) socket.write(opening)
    return socket
  },
}

/** Names are resolved ahead of time; one that could not be has no address, and asking again here would take seconds. */
export function unresolved(
  name: string,
  _: object,
  done: (error: NodeJS.ErrnoException, address: string) => void,
): void {
  done(Object.assign(new Error(`${name} has no address`), { code: 'ENOTFOUND' }), '')
}

/** Silence after which the system asks whether a peer is still there; gone without a word, it is noticed soon after. */
export const keepAliveMs = 60_000

class Tries {
  private readonly flow: Connection
  private readonly decision: ForwardDecision
  private readonly observed: Observed
  private readonly draw: Draw
  private readonly host: Host
  private readonly approach: Approach
  private readonly resolve: (forwarded: Forwarded) => void
  private readonly plan: AttemptPlan
  private state: AttemptState

  private readonly attempts: Attempt[] = []
  private readonly tried: Endpoint[] = []
  private chosen: Endpoint | undefined
  /** The one open try, and what came of it. */
  private way: Reach | undefined
  private side: Side | undefined
  private startedAt = 0
  /** It took the descriptor that the flow had kept for it. */
  private hasKept = false
  private timer: NodeJS.Timeout | undefined
  private cutReason: Reason | undefined

  constructor(
    flow: Connection,
    decision: ForwardDecision,
    observed: Observed,
    draw: Draw,
    host: Host,
    approach: Approach,
    resolve: (forwarded: Forwarded) => void,
  ) {
    this.flow = flow
    this.decision = decision
    this.observed = observed
    this.draw = draw
    this.host = host
    this.approach = approach
    this.resolve = resolve
    this.chosen = decision.first
    const { rule, pool } = decision
    this.plan = planFlow(Math.min(rule.attempts, pool.endpoints.length), rule.timeouts.connectMs, draw)
    this.state = openAttempt(this.plan, host.now())
    flow.client.onClose = () => this.step({ type: 'client-gone' })
    flow.cut = reason => {
      this.cutReason = reason
      this.step({ type: 'client-gone' })
    }
  }

  step(event: AttemptEvent): void {
    const { state, action } = advance(this.plan, this.state, event, this.host.now())
    this.state = state
    switch (action.do) {
      case 'try':
        this.try(action.attempt, action.timeoutMs)
        break
      case 'wait':
        this.wait(action.ms)
        break
      case 'pass':
        this.finish(undefined)
        break
      case 'answer':
        this.finish(this.cutReason ?? action.reason)
    }
  }

  private try(attempt: number, timeoutMs: number): void {
    const endpoint = this.claimNext()
    if (endpoint === undefined) {
      this.noEndpoint()
      return
    }
    this.tried.push(endpoint)
    this.startedAt = performance.now()
    this.hasKept = freeDescriptor(this.flow)
    this.way = reach(this.host, endpoint.address, this.approach, outcome => {
      if (typeof outcome === 'string') {
        this.failed(attempt, outcome)
        return
      }
      this.side = outcome
      this.note('connected')
      learn(this.observed, this.decision.pool, endpoint, 'success', this.elapsedMs(), this.host.now())
      clearTimeout(this.timer)
      this.step({ type: 'connected', attempt })
    })
    this.timer = setTimeout(() => {
      this.endTry('failure', 'connection_timeout')
      this.step({ type: 'try-timeout', attempt })
    }, timeoutMs)
  }

  private failed(attempt: number, reason: Reason): void {
    // Our own shortage says nothing about the endpoint.
    this.endTry(reason === 'relay_exhausted' ? 'neutral' : 'failure', reason)
    this.step({ type: 'failed', attempt, failure: 'connect-failure', reason, isNothingWritten: true })
  }

  private wait(ms: number): void {
    this.chosen = this.nextEndpoint()
    if (this.chosen === undefined) this.noEndpoint()
    else this.timer = setTimeout(() => this.step({ type: 'waited' }), ms)
  }

  /** Chosen is not taken: a wait or another thread may have come between. */
  private claimNext(): Endpoint | undefined {
    const { pool } = this.decision
    let endpoint = this.chosen
    for (let left = pool.endpoints.length; endpoint !== undefined && left >= 0; left--) {
      if (claim(this.observed, pool, endpoint, this.tried.length > 0)) return endpoint
      endpoint = this.nextEndpoint()
    }
    return undefined
  }

  private nextEndpoint(): Endpoint | undefined {
    const { pool, key } = this.decision
    return next(pool, this.tried, this.observed, this.host.now(), this.draw, key)
  }

  private noEndpoint(): void {
    this.step({
      type: 'no-endpoint',
      reason: whyNone(this.decision.pool, this.tried, this.observed, this.host.now()),
    })
  }

  /** Gives the open try up. */
  private endTry(outcome: Outcome, reason: Reason): void {
    this.way!.giveUp()
    this.way = undefined
    if (this.hasKept) keepDescriptor(this.flow)
    clearTimeout(this.timer)
    this.note(reason)
    settle(this.observed, this.decision.pool, this.tried.at(-1)!, outcome, this.elapsedMs(), this.host.now())
  }

  private note(outcome: 'connected' | Reason): void {
    this.attempts.push({ endpoint: this.tried.at(-1)!.name, outcome, ms: roundMs(this.elapsedMs()) })
  }

  private elapsedMs(): number {
    return performance.now() - this.startedAt
  }

  /** @param reason undefined when connected */
  private finish(reason: Reason | undefined): void {
    if (reason !== undefined && this.way !== undefined) this.endTry('neutral', reason)
    clearTimeout(this.timer)
    this.flow.client.onClose = nothing
    const connected = reason === undefined ? { side: this.side!, endpoint: this.tried.at(-1)! } : undefined
    this.resolve({ attempts: this.attempts, connected, reason })
  }
}

/** To microseconds. */
export function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

function nothing(): void {}
