// How the relay carries the tries of a request: each on a connection to its endpoint, claimed until its body is over.

import { verdictOf } from '../../shared/attempt/classes.ts'
import {
  type AnsweredTry,
  type Asked,
  type Carrier,
  type FailedTry,
  isAnswered,
  type TryEnd,
} from '../../shared/attempt/tries.ts'
import type { Reason } from '../../shared/decide/reason.ts'
import { countTry, type HttpMetrics } from '../../shared/metrics/http-metrics.ts'
import { learn, type Observed, settle } from '../../shared/pool/observed.ts'
import type { Endpoint, Pool } from '../../shared/pool/pool.ts'
import { roundMs } from '../forward.ts'
import type { Asker, Call, EndpointAnswer, Failure, Question } from './call.ts'
import type { Connections } from './connections.ts'
import type { Fields } from './fields.ts'
import { countedStatus } from './grpc.ts'

/** What the tries of all requests share. */
export interface Carriage {
  readonly observed: Observed
  readonly metrics: () => HttpMetrics
  readonly connections: Connections
  readonly now: () => number
  /** A place in the pool has come free. */
  readonly onFree: (pool: Pool) => void
}

export class RelayCarrier implements Carrier<EndpointAnswer> {
  isGone = false
  /** 1xx of the endpoint. */
  onInform: (status: number, fields: Fields) => void = nothing
  private readonly carriage: Carriage
  private readonly pool: Pool
  private readonly connectMs: number
  private readonly question: (endpoint: Endpoint) => Question
  private readonly open: Asking[] = []

  /** @param question what an endpoint is asked: the Host may be its own */
  constructor(carriage: Carriage, pool: Pool, connectMs: number, question: (endpoint: Endpoint) => Question) {
    this.carriage = carriage
    this.pool = pool
    this.connectMs = connectMs
    this.question = question
  }

  /** The client went away: nobody wants an answer. */
  leave(): void {
    this.isGone = true
    for (const asking of [...this.open]) asking.leave()
  }

  now(): number {
    return this.carriage.now()
  }

  ask(endpoint: Endpoint, timeoutMs: number): Asked<EndpointAnswer> {
    const question = this.question(endpoint)
    const asking = new Asking(this, question, timeoutMs)
    this.open.push(asking)
    asking.begin(this.carriage.connections.ask(this.pool, endpoint, question, asking, this.connectMs))
    return asking
  }

  ended(asking: Asking): void {
    this.open.splice(this.open.indexOf(asking), 1)
  }

  /** What it is worth is learned at the headers; the claim ends with the body. */
  settle(endpoint: Endpoint, end: TryEnd<EndpointAnswer>, isRetry: boolean): void {
    const { observed, metrics } = this.carriage
    const isClients = !isAnswered(end) && clients.has(end.reason)
    countTry(metrics(), this.pool, endpoint, isClients ? 'cancelled' : end.outcome, isRetry)
    if (!isAnswered(end)) {
      // Our own shortage, and what a client does, say nothing about the endpoint.
      const verdict = isClients || end.reason === 'relay_exhausted' ? 'neutral' : verdictOf(end.outcome)
      this.release(endpoint, verdict, end.outcome === 'timeout' ? end.ms : -1, end.at)
      return
    }
    const verdict = verdictOf(end.outcome)
    if (verdict !== 'neutral') learn(observed, this.pool, endpoint, verdict, end.tookMs ?? end.ms, end.at)
    const { body, upgraded } = end.response
    const over = () => this.release(endpoint, 'neutral', -1, this.carriage.now())
    if (upgraded !== undefined) upgraded.socket.once('close', over)
    else if (body === undefined || body.state !== 'open') over()
    else body.onEnd = over
  }

  cancel(endpoint: Endpoint, isRetry: boolean): void {
    countTry(this.carriage.metrics(), this.pool, endpoint, 'cancelled', isRetry)
    this.release(endpoint, 'neutral', -1, this.carriage.now())
  }

  retryAfter(answer: EndpointAnswer): string | null {
    return answer.fields.get('retry-after')
  }

  drop(answer: EndpointAnswer): void {
    answer.body?.cancel()
    answer.upgraded?.socket.destroy()
  }

  sleep(ms: number): Promise<void> {
    return new Promise(done => setTimeout(done, ms))
  }

  async firstOf<Each>(all: readonly Promise<Each>[], ms: number): Promise<Each | undefined> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<undefined>(resolve => {
      timer = setTimeout(resolve, ms, undefined)
    })
    try {
      return await Promise.race([...all, late])
    } finally {
      clearTimeout(timer)
    }
  }

  private release(
    endpoint: Endpoint,
    verdict: 'success' | 'failure' | 'neutral',
    latencyMs: number,
    now: number,
  ): void {
    settle(this.carriage.observed, this.pool, endpoint, verdict, latencyMs, now)
    if (this.pool.queue !== undefined) this.carriage.onFree(this.pool)
  }
}

/** One try under way. */
class Asking implements Asked<EndpointAnswer>, Asker {
  readonly end: Promise<TryEnd<EndpointAnswer>>
  private resolve: (end: TryEnd<EndpointAnswer>) => void = nothing
  private readonly carrier: RelayCarrier
  private readonly question: Question
  private readonly timeoutMs: number
  private readonly began = performance.now()
  private timer: NodeJS.Timeout
  private call: Call | undefined
  private isOver = false

  constructor(carrier: RelayCarrier, question: Question, timeoutMs: number) {
    this.carrier = carrier
    this.question = question
    this.timeoutMs = timeoutMs
    this.end = new Promise(resolve => {
      this.resolve = resolve
    })
    this.timer = setTimeout(() => this.late(), timeoutMs)
  }

  begin(call: Call): void {
    this.call = call
  }

  giveUp(): void {
    this.finish()
    this.call?.cancel()
  }

  leave(): void {
    if (this.isOver) return
    this.failed({ failure: 'reset', reason: 'client_gone', says: undefined, isNothingWritten: false })
    this.call?.cancel()
  }

  answered(response: EndpointAnswer): void {
    if (!this.finish()) {
      this.carrier.drop(response)
      return
    }
    const answered: AnsweredTry<EndpointAnswer> = {
      outcome: this.question.isCall ? countedStatus(response) : response.status,
      response,
      ms: this.elapsed(),
      tookMs: roundMs(performance.now() - this.since),
      at: this.carrier.now(),
    }
    this.resolve(answered)
  }

  failed({ failure, reason, says, isNothingWritten }: Failure): void {
    if (!this.finish()) return
    // A body that breaks off takes its try with it, whatever that looks like.
    const isSpoiled = reason !== 'client_gone' && this.question.upload.body?.state === 'broken'
    const end: FailedTry = {
      outcome: isSpoiled ? 'reset' : failure,
      response: undefined,
      reason: isSpoiled ? 'http_request_error' : reason,
      says,
      isNothingWritten,
      ms: this.elapsed(),
      at: this.carrier.now(),
    }
    this.resolve(end)
  }

  informed(status: number, fields: Fields): void {
    if (!this.isOver) this.carrier.onInform(status, fields)
  }

  /** When its time began: while the client is still sending, how long that takes is not the endpoint's doing. */
  private get since(): number {
    const { upload } = this.question
    return upload.kind === 'stream' ? Math.max(this.began, upload.body!.movedAt) : this.began
  }

  private late(): void {
    const { upload, isTimed } = this.question
    const leftMs = (isTimed ? this.began : this.since) + this.timeoutMs - performance.now()
    if (leftMs > 1) {
      this.timer = setTimeout(() => this.late(), leftMs)
      return
    }
    const { body } = upload
    const isClients = !isTimed && body !== undefined && body.state === 'open' && !body.isHeld
    this.failed(
      isClients
        ? { failure: 'reset', reason: 'http_request_timeout', says: undefined, isNothingWritten: false }
        : { failure: 'timeout', reason: 'http_response_timeout', says: undefined, isNothingWritten: false },
    )
    this.call?.cancel()
  }

  /** False when it was over already. */
  private finish(): boolean {
    if (this.isOver) return false
    this.isOver = true
    clearTimeout(this.timer)
    this.carrier.ended(this)
    return true
  }

  private elapsed(): number {
    return roundMs(performance.now() - this.began)
  }
}

function nothing(): void {}

/** A client that dawdles, and one that sends no HTTP. */
const clients: ReadonlySet<Reason> = new Set(['http_request_timeout', 'http_request_error'])
