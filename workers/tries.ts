// How the Worker carries the tries of a request: each a fetch, settled when its headers are there.

import type { Asked, Carrier, TryEnd } from '../shared/attempt/tries.ts'
import type { ForwardDecision } from '../shared/decide/decision.ts'
import type { DoorFacts } from '../shared/http/request-facts.ts'
import { countTry } from '../shared/metrics/http-metrics.ts'
import { settle } from '../shared/pool/observed.ts'
import type { Endpoint } from '../shared/pool/pool.ts'
import type { Isolate } from './isolate.ts'
import { drop, latencyOf, type Sent, targetOf, tryEndpoint, verdictOn } from './try.ts'

export class EdgeCarrier implements Carrier<Response> {
  readonly isGone = false
  private readonly isolate: Isolate
  private readonly decision: ForwardDecision
  private readonly facts: DoorFacts
  private readonly sent: Sent

  constructor(isolate: Isolate, decision: ForwardDecision, facts: DoorFacts, sent: Sent) {
    this.isolate = isolate
    this.decision = decision
    this.facts = facts
    this.sent = sent
  }

  now(): number {
    return Date.now()
  }

  ask(endpoint: Endpoint, timeoutMs: number): Asked<Response> {
    const { request, headers, upload, path, host, isRaw } = this.sent
    const clock = new AbortController()
    const target = targetOf(endpoint, this.facts, path, this.isolate.bindings, host)
    return new Fetching(tryEndpoint(target, request, headers, upload, timeoutMs, clock, isRaw), clock)
  }

  settle(endpoint: Endpoint, end: TryEnd<Response>, isRetry: boolean): void {
    const { isolate, decision, sent } = this
    const { observed } = isolate.seen
    settle(observed, decision.pool, endpoint, verdictOn(end, sent.upload), latencyOf(end, sent.upload), end.at)
    countTry(isolate.metrics, decision.pool, endpoint, end.outcome, isRetry, end.ms)
  }

  cancel(endpoint: Endpoint, isRetry: boolean): void {
    const { isolate, decision } = this
    settle(isolate.seen.observed, decision.pool, endpoint, 'neutral', -1, Date.now())
    countTry(isolate.metrics, decision.pool, endpoint, 'cancelled', isRetry)
  }

  retryAfter(answer: Response): string | null {
    return answer.headers.get('retry-after')
  }

  drop(answer: Response): void {
    drop(answer)
  }

  sleep(ms: number): Promise<void> {
    return new Promise(done => setTimeout(done, ms))
  }

  async firstOf<Each>(all: readonly Promise<Each>[], ms: number): Promise<Each | undefined> {
    let timer: ReturnType<typeof setTimeout> | null = null
    const late = new Promise<undefined>(resolve => {
      timer = setTimeout(resolve, ms, undefined)
    })
    try {
      return await Promise.race([...all, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

class Fetching implements Asked<Response> {
  readonly end: Promise<TryEnd<Response>>
  private readonly clock: AbortController

  constructor(end: Promise<TryEnd<Response>>, clock: AbortController) {
    this.end = end
    this.clock = clock
  }

  giveUp(): void {
    this.clock.abort()
    // It may have answered in this very moment.
    this.end.then(
      late => drop(late.response),
      () => undefined,
    )
  }
}
