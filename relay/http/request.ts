// A request at the relay from its header to its record: facts, decision, forward or reply, record.

import type { Mirrored } from '../../shared/attempt/mirrors.ts'
import type { Attempt, Held } from '../../shared/attempt/tries.ts'
import type { CacheWord } from '../../shared/cache/exchange.ts'
import { keysToForget } from '../../shared/cache/forget.ts'
import type { ForwardDecision, HttpDecision, ReplyDecision } from '../../shared/decide/decision.ts'
import { decideHttp } from '../../shared/decide/http.ts'
import { type Reason, reasons } from '../../shared/decide/reason.ts'
import {
  acceptedEncodings,
  type Encoding,
  encodingFor,
  encodingsAt,
  setEncoded,
  setVaryEncoding,
} from '../../shared/http/compress.ts'
import { overBody } from '../../shared/http/door-limits.ts'
import { editAnswer, editOwn } from '../../shared/http/edit.ts'
import { httpStatusOfGrpc } from '../../shared/http/grpc-status.ts'
import { answerOurselves, answerTo, type OwnAnswer, pageInstead, pageText } from '../../shared/http/own-answer.ts'
import { refusalOf, refuse } from '../../shared/http/refuse.ts'
import type { DoorFacts } from '../../shared/http/request-facts.ts'
import { isRecorded, requestRecord } from '../../shared/http/request-record.ts'
import { countBytes, countCache, countCall, countRequest } from '../../shared/metrics/http-metrics.ts'
import type { Draw } from '../../shared/pool/draw.ts'
import type { Endpoint } from '../../shared/pool/pool.ts'
import { nextFlowId } from '../flow.ts'
import { roundMs } from '../forward.ts'
import type { Listed } from '../roll.ts'
import type { Party } from '../waiting.ts'
import type { Body } from './body.ts'
import type { EndpointAnswer, Upload } from './call.ts'
import type { RelayCarrier } from './carrier.ts'
import { encodedBody } from './encode.ts'
import type { Exchange } from './exchange.ts'
import { readFacts } from './facts.ts'
import { Fields } from './fields.ts'
import { isCall, refuseCall } from './grpc.ts'
import type { HttpPlane } from './plane.ts'
import { forwardThroughCache, isCached } from './request-cached.ts'
import { callStatus, passOnCall } from './request-call.ts'
import { decideInTurn, fullPool, tryInTurn } from './request-turn.ts'
import { joinUpgraded } from './upgrade.ts'

export class LiveRequest implements Listed<LiveRequest> {
  before: LiveRequest | undefined
  after: LiveRequest | undefined
  readonly id = nextFlowId()
  readonly exchange: Exchange
  /** `performance.now()` */
  readonly acceptedAt = performance.now()
  readonly facts: DoorFacts
  readonly listener: string
  decision: HttpDecision | undefined
  /** The one that it waits for or that answered. */
  endpoint: Endpoint | undefined
  readonly plane: HttpPlane
  private readonly began: number
  readonly draw: Draw
  attempts: readonly Attempt[] = NONE
  mirrors: readonly Mirrored[] = NONE
  private status = 0
  reason: Reason | undefined
  headersMs: number | undefined
  carrier: RelayCarrier | undefined
  answerBody: Body | undefined
  /** It comes from our disk: if it breaks off, its file is damaged. */
  isBodyOurs = false
  isWaiting: Party | undefined
  /** `performance.now()`; of one that waits in the queue of a pool, or has. */
  waitsUntil: number | undefined
  /** What there is to send of its body, once that is known. */
  upload: Upload | undefined
  isRecorded = false
  cacheWord: CacheWord | undefined
  cacheStatus: string | undefined
  private readonly upgradedBytes = { in: 0, out: 0 }
  private endUpgraded: (() => void) | undefined
  private movedAt = 0
  /** Of gRPC. */
  readonly isCall: boolean
  /** The status of a call, where it is known. */
  grpcStatus: number | undefined
  /** Fires at the deadline of a call. */
  deadline: NodeJS.Timeout | undefined

  constructor(plane: HttpPlane, listener: string, exchange: Exchange) {
    this.plane = plane
    this.listener = listener
    this.exchange = exchange
    this.began = plane.shared.host.now()
    this.facts = readFacts(exchange, listener, plane.shared.table, plane.cookieKeys, this.began)
    this.draw = plane.shared.draw()
    this.isCall = isCall(exchange)
    plane.requests.add(this)
    exchange.onGone = () => this.gone()
    exchange.onSent = isWhole => this.sent(isWhole)
  }

  /** Never rejects: a bug is answered 500 `proxy_internal_error`. */
  async serve(): Promise<void> {
    try {
      const { table, observed } = this.plane.shared
      const { exchange, facts } = this
      const strange = exchange.malformed
      const refusal =
        strange === undefined
          ? refusalOf(urlLengthOf(exchange), exchange.fields, facts, table.instance)
          : refuse('http_request_error', strange.status, strange.details)
      let decision = refusal ?? decideHttp(table, facts, observed, this.draw)
      this.decision = decision
      const full = fullPool(this, decision)
      if (full !== undefined) decision = await decideInTurn(this, full)
      if (exchange.isGone) return
      if (isCached(this, decision)) await forwardThroughCache(this, decision as ForwardDecision | ReplyDecision)
      else if (decision.do === 'forward') await this.forward(decision)
      else this.replyAs(decision)
    } catch (bug) {
      // One request's trouble must not become that of all others.
      process.emitWarning(bug as Error)
      this.reason = 'proxy_internal_error'
      if (this.headersMs === undefined && !this.exchange.isGone) {
        const own = answerOurselves(this.facts.method, this.reason, 500, undefined, undefined)
        this.reply(own, undefined, this.reason)
      } else this.exchange.abort()
    }
  }

  /** Ends it from outside. */
  cut(reason: Reason): void {
    this.reason ??= reason
    if (this.isWaiting !== undefined) this.isWaiting.cut(reason)
    else if (this.endUpgraded !== undefined) this.endUpgraded()
    else if (this.headersMs === undefined && this.decision?.do === 'forward' && !this.exchange.isGone) {
      this.carrier?.leave()
    } else this.exchange.abort()
  }

  /** Nothing moved for too long: asked every now and then. */
  look(now: number): void {
    if (this.headersMs === undefined || this.decision?.do !== 'forward') return
    const { idleMs } = this.decision.rule.timeouts
    const movedAt = Math.max(
      this.acceptedAt,
      this.movedAt,
      this.answerBody?.movedAt ?? 0,
      this.exchange.body?.movedAt ?? 0,
    )
    if (now - movedAt > idleMs) this.cut('idle_timeout')
  }

  get bytesIn(): number {
    return (this.exchange.body?.bytes ?? 0) + this.upgradedBytes.in
  }

  get bytesOut(): number {
    return this.exchange.bytesOut + this.upgradedBytes.out
  }

  private async forward(decision: ForwardDecision): Promise<void> {
    const { exchange, facts } = this
    const { rule } = decision
    if (exchange.body !== undefined && rule.maxBodyBytes !== Number.POSITIVE_INFINITY) {
      const over = overBody(rule.maxBodyBytes, exchange.bodyLength)
      if (over !== undefined) {
        this.giveUp(decision, 'http_request_error', over.status, over.details)
        return
      }
    }
    const held = await tryInTurn(this, decision, nothing, later => this.replyAs(later))
    if (held === undefined) return
    if (typeof held !== 'string') {
      const { shared, store } = this.plane
      if (!store.isEmpty) {
        const { status, fields } = held.response
        for (const key of keysToForget(shared.table, facts, shared.observed, exchange.fields, status, fields)) {
          store.forget(key)
        }
      }
      this.passOn(held, this.decision as ForwardDecision)
    } else if (!exchange.isGone) {
      const spoiled = held === 'http_request_error' ? exchange.malformed : undefined
      this.giveUp(decision, this.reason ?? held, spoiled?.status, spoiled?.details)
    }
  }

  /** Sets what the fields have to say when the body is to be encoded. */
  encodingOf(decision: ForwardDecision | ReplyDecision, status: number, fields: Fields): Encoding | undefined {
    const { compress } = decision.rule!
    if (compress === undefined) return undefined
    const { method } = this.facts
    const accepted = acceptedEncodings(this.exchange.fields)
    const encoding = encodingFor(compress, method, status, fields, accepted, encodingsAt.http)
    if (encoding === undefined) return undefined
    setVaryEncoding(fields)
    if (encoding === 'vary') return undefined
    setEncoded(fields, encoding)
    return encoding
  }

  /** An endpoint's answer, as the client shall see it. From here on nothing is tried again. */
  passOn({ response, endpoint }: Held<EndpointAnswer>, decision: ForwardDecision): void {
    const { exchange, facts, plane } = this
    const { status, fields, body, upgraded } = response
    this.endpoint = endpoint
    if (exchange.isGone) {
      body?.cancel()
      upgraded?.socket.destroy()
      return
    }
    this.answerBody = body
    if (this.isCall) {
      passOnCall(this, response, decision, endpoint)
      return
    }
    if (exchange.isTunnel === true && upgraded === undefined && status < 300) {
      body?.cancel()
      this.giveUp(decision, 'http_upgrade_failed')
      return
    }
    this.headers(status)
    if (upgraded !== undefined) {
      editAnswer(fields, decision, endpoint, facts, plane.shared.table, plane.cookieKeys)
      const own = exchange.upgrade(fields)
      if (own === undefined) {
        upgraded.socket.destroy()
        this.giveUp(decision, 'http_upgrade_failed')
      } else {
        this.endUpgraded = joinUpgraded(own, upgraded, this.upgradedBytes, {
          moved: () => {
            this.movedAt = performance.now()
          },
          ended: () => this.sent(true),
        })
      }
      return
    }
    const page = pageInstead(status, () => fields, decision.rule, facts)
    editAnswer(fields, decision, endpoint, facts, plane.shared.table, plane.cookieKeys)
    if (this.cacheStatus !== undefined) fields.append('cache-status', this.cacheStatus)
    if (page !== undefined) {
      body?.cancel()
      exchange.answer(status, fields, page.text)
      return
    }
    const encoding = this.encodingOf(decision, status, fields)
    exchange.begin(status, fields, encoding === undefined || body === undefined ? body : encodedBody(body, encoding))
  }

  /** No endpoint answered: we do. */
  giveUp(
    decision: ForwardDecision | ReplyDecision,
    reason: Reason,
    status: number = reasons[reason].status,
    details?: string | undefined,
  ): void {
    const page = pageText(this.facts, decision.rule, status)
    this.reply(answerOurselves(this.facts.method, reason, status, details, page), decision, reason)
  }

  /** What the config answers by itself. */
  replyAs(decision: Exclude<HttpDecision, ForwardDecision>): void {
    this.reply(answerTo(decision, this.plane.shared.table.needs, this.facts), decision, reasonOf(decision))
  }

  /** An answer of ours. */
  private reply(own: OwnAnswer, decision: HttpDecision | undefined, reason: Reason | undefined): void {
    const { exchange, facts, plane } = this
    if (exchange.isTunnel === true && own.status < 300) {
      const failed = 'http_upgrade_failed'
      this.reply(answerOurselves(facts.method, failed, reasons[failed].status, undefined, undefined), decision, failed)
      return
    }
    const fields = new Fields()
    for (const [name, value] of own.fields) fields.append(name, value)
    if (decision !== undefined) editOwn(fields, decision, facts, plane.shared.table, plane.cookieKeys)
    this.reason = reason
    this.endpoint = undefined
    if (this.isCall && (decision === undefined || decision.do === 'reply' || decision.do === 'forward')) {
      this.grpcStatus = refuseCall(fields, reason, own.status, own.body ?? '')
      this.headers(200)
      exchange.answer(200, fields, null)
      return
    }
    this.headers(own.status)
    exchange.answer(own.status, fields, own.body)
  }

  headers(status: number): void {
    this.status = status
    this.headersMs = performance.now() - this.acceptedAt
  }

  gone(): void {
    this.reason ??= 'client_gone'
    this.carrier?.leave()
    this.answerBody?.cancel()
  }

  /** The answer has left, or broke off: the end of it in each case. */
  private sent(isWhole: boolean): void {
    if (this.isRecorded) return
    this.isRecorded = true
    clearTimeout(this.deadline)
    const { plane, exchange, facts, decision } = this
    if (!isWhole && this.answerBody?.state === 'broken') {
      this.reason ??= this.isBodyOurs ? 'proxy_internal_error' : 'http_response_incomplete'
    }
    if (!isWhole) this.answerBody?.cancel()
    plane.requests.delete(this)
    const totalMs = performance.now() - this.acceptedAt
    const status = this.status === 0 ? reasons.client_gone.status : this.status
    if (this.isCall) this.grpcStatus = callStatus(this)
    const counted = this.grpcStatus === undefined ? status : httpStatusOfGrpc(this.grpcStatus)
    countRequest(plane.metrics, decision, counted, this.headersMs ?? totalMs)
    countBytes(plane.metrics, decision, this.bytesIn, this.bytesOut)
    if (this.grpcStatus !== undefined) countCall(plane.metrics, decision, this.grpcStatus)
    if (this.cacheWord !== undefined) countCache(plane.metrics, decision, this.cacheWord)
    if (plane.onRequest !== undefined && isRecorded(facts, decision, counted, this.reason)) {
      const went = {
        door: 'http' as const,
        status,
        reason: this.reason,
        endpoint: this.endpoint?.name,
        attempts: this.attempts,
        mirrors: this.mirrors,
        cache: this.cacheWord,
        bytesIn: this.bytesIn,
        bytesOut: this.bytesOut,
        durationMs: roundMs(this.headersMs ?? totalMs),
      }
      plane.onRequest({
        ...requestRecord(facts.method, this.began, facts, decision, went),
        protocol: exchange.version,
        grpcStatus: this.grpcStatus,
        totalMs: roundMs(totalMs),
      })
    }
    plane.onEnded()
  }
}

function urlLengthOf({ scheme, authority, path, search }: Exchange): number {
  return scheme.length + 3 + authority.length + path.length + search.length
}

function reasonOf(decision: HttpDecision): Reason | undefined {
  return decision.do === 'reply' ? decision.reason : undefined
}

function nothing(): void {}

const NONE: readonly never[] = []
