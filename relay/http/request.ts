// A request at the relay from its header to its record: facts, decision, forward or reply, record.

import { countRequest as countForBudget, retriesPerSecond } from '../../shared/attempt/budget.ts'
import { hedgeAfterMs, mayHedge } from '../../shared/attempt/hedge.ts'
import { openLedger } from '../../shared/attempt/ledger.ts'
import { type Mirrored, sendMirrors } from '../../shared/attempt/mirrors.ts'
import { bodyOf, planHttp } from '../../shared/attempt/plan.ts'
import { type Attempt, type Held, openTries, tryUntilAnswered } from '../../shared/attempt/tries.ts'
import type { CacheWord } from '../../shared/cache/exchange.ts'
import { keysToForget } from '../../shared/cache/forget.ts'
import type { ForwardDecision, HttpDecision, ReplyDecision } from '../../shared/decide/decision.ts'
import { decideHttp } from '../../shared/decide/http.ts'
import { matchedPrefix } from '../../shared/decide/match.ts'
import { type Reason, reasons } from '../../shared/decide/reason.ts'
import { type Encoding, encodingFor, setEncoded, setVaryEncoding } from '../../shared/http/compress.ts'
import { overBody } from '../../shared/http/door-limits.ts'
import { editAnswer, editOwn, editRequest, MIRROR } from '../../shared/http/edit.ts'
import { grpcRefusal, httpStatusOfGrpc } from '../../shared/http/grpc-status.ts'
import { answerOurselves, answerTo, type OwnAnswer, pageInstead, pageText } from '../../shared/http/own-answer.ts'
import { endpointPath } from '../../shared/http/paths.ts'
import { refusalOf, refuse } from '../../shared/http/refuse.ts'
import type { DoorFacts } from '../../shared/http/request-facts.ts'
import { isRecorded, requestRecord } from '../../shared/http/request-record.ts'
import { countCache, countRequest } from '../../shared/metrics/http-metrics.ts'
import type { Draw } from '../../shared/pool/draw.ts'
import type { Endpoint, Pool } from '../../shared/pool/pool.ts'
import { nextFlowId } from '../flow.ts'
import { roundMs } from '../forward.ts'
import { isWaitedFor, joinQueue, leaveQueue, type Party, untilTurn } from '../waiting.ts'
import { type Body, readWhole } from './body.ts'
import { answerThroughCache, type ThroughCache } from './cache.ts'
import type { EndpointAnswer, Question, Upload } from './call.ts'
import { type Carriage, RelayCarrier } from './carrier.ts'
import { encodedBody, encodeWhole, offered } from './encode.ts'
import type { Exchange } from './exchange.ts'
import { readFacts } from './facts.ts'
import { Fields } from './fields.ts'
import { grpcStatusIn, isCall, lastFields, limitOf, refuseCall, setTimeLeft, statusInstead } from './grpc.ts'
import type { HttpPlane } from './plane.ts'
import { joinUpgraded } from './upgrade.ts'

export class LiveRequest {
  readonly id = nextFlowId()
  readonly exchange: Exchange
  /** `performance.now()` */
  readonly acceptedAt = performance.now()
  readonly facts: DoorFacts
  readonly listener: string
  decision: HttpDecision | undefined
  /** The one that it waits for or that answered. */
  endpoint: Endpoint | undefined
  private readonly plane: HttpPlane
  private readonly began: number
  private readonly draw: Draw
  private attempts: readonly Attempt[] = NONE
  private mirrors: readonly Mirrored[] = NONE
  private status = 0
  private reason: Reason | undefined
  private headersMs: number | undefined
  private carrier: RelayCarrier | undefined
  private answerBody: Body | undefined
  private isWaiting: Party | undefined
  private isRecorded = false
  private cacheWord: CacheWord | undefined
  private cacheStatus: string | undefined
  private readonly upgradedBytes = { in: 0, out: 0 }
  private endUpgraded: (() => void) | undefined
  /** Of gRPC. */
  private readonly isCall: boolean
  /** The status of a call, where it is known. */
  private grpcStatus: number | undefined
  /** Fires at the deadline of a call. */
  private deadline: NodeJS.Timeout | undefined

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
      const full = this.fullPool(decision)
      if (full !== undefined) decision = await this.decideInTurn(full)
      if (exchange.isGone) return
      if (this.isCached(decision)) await this.forwardThroughCache(decision as ForwardDecision | ReplyDecision)
      else if (decision.do === 'forward') await this.forward(decision)
      else this.reply(answerTo(decision, table.needs, facts), decision, reasonOf(decision))
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

  private movedAt = 0

  /** The pool in which the request has to wait for its turn; undefined when it need not. */
  private fullPool(decision: HttpDecision): Pool | undefined {
    const pool = decision.do === 'forward' || decision.do === 'reply' ? decision.pool : undefined
    if (pool?.queue === undefined) return undefined
    const isWaiting = isAtLimit(decision) || (decision.do === 'forward' && isWaitedFor(this.plane.shared.waiting, pool))
    return isWaiting ? pool : undefined
  }

  /** The decision once there is a place in the pool, by the table of that moment, or why there was none in time. */
  private async decideInTurn(pool: Pool): Promise<HttpDecision> {
    const { shared } = this.plane
    const { exchange } = this
    const rule = this.decision?.rule
    const turnedAway = (reason: Reason): HttpDecision => ({
      ...refuse(reason, reasons[reason].status, undefined),
      rule,
      variant: this.decision !== undefined && 'variant' in this.decision ? this.decision.variant : undefined,
      pool,
    })
    const party: Party = { client: { onClose: nothing, isClosed: exchange.isGone }, cut: nothing }
    this.isWaiting = party
    exchange.onGone = () => party.client.onClose()
    let decision = turnedAway('queue_full')
    const waiter = joinQueue(shared.waiting, pool, party)
    for (let isWaiting = waiter !== undefined; isWaiting; isWaiting = isAtLimit(decision)) {
      const outcome = await untilTurn(waiter!)
      if (outcome !== 'turn') decision = turnedAway(outcome)
      else decision = decideHttp(shared.table, { ...this.facts, now: shared.host.now() }, shared.observed, this.draw)
    }
    if (waiter !== undefined) leaveQueue(shared.waiting, pool, waiter)
    this.isWaiting = undefined
    exchange.onGone = () => this.gone()
    this.decision = decision
    return decision
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
    const held = await this.tryEndpoints(decision, nothing)
    if (held === undefined) return
    if (typeof held !== 'string') {
      const { shared, store } = this.plane
      if (store.answers > 0) {
        const { status, fields } = held.response
        for (const key of keysToForget(shared.table, facts, shared.observed, exchange.fields, status, fields)) {
          store.forget(key)
        }
      }
      this.passOn(held, decision)
    } else if (!exchange.isGone) this.giveUp(decision, this.reason ?? held)
  }

  /** GET and HEAD of a rule with a cache, also where no endpoint may be asked now: what is stored may be given. */
  private isCached(decision: HttpDecision): boolean {
    if (decision.do !== 'forward' && decision.do !== 'reply') return false
    if (decision.rule?.cache === undefined || decision.pool === undefined) return false
    const { method } = this.facts
    return (
      (method === 'GET' || method === 'HEAD') &&
      this.exchange.body === undefined &&
      !this.exchange.fields.has('upgrade')
    )
  }

  private async forwardThroughCache(decision: ForwardDecision | ReplyDecision): Promise<void> {
    const { plane, exchange, facts } = this
    const attempts: Attempt[] = []
    const through = await answerThroughCache(
      plane,
      decision.rule!,
      decision.variant!,
      facts,
      exchange.fields,
      async edit => {
        const held = decision.do === 'reply' ? decision.reason! : await this.tryEndpoints(decision, edit)
        attempts.push(...this.attempts)
        this.attempts = attempts
        return { answer: typeof held === 'object' ? held.response : undefined, result: held }
      },
    )
    if (exchange.isGone) {
      if (through.from === 'tries' && typeof through.tried === 'object') through.tried.response.body?.cancel()
      return
    }
    if (through.from === 'nowhere') {
      this.giveUp(decision, 'not_in_cache')
      return
    }
    this.cacheWord = through.word
    this.cacheStatus = through.cacheStatus
    if (through.from === 'store') this.passOnStored(through, decision)
    else if (typeof through.tried === 'object') this.passOn(through.tried, decision as ForwardDecision)
    else if (through.tried !== undefined) this.giveUp(decision, this.reason ?? through.tried)
  }

  /** A stored answer, as the client shall see it. */
  private passOnStored(
    { status, fields, bytes }: Extract<ThroughCache<unknown>, { from: 'store' }>,
    decision: ForwardDecision | ReplyDecision,
  ): void {
    const { exchange, facts, plane } = this
    this.headers(status)
    this.endpoint = undefined
    const page = pageInstead(status, () => fields, decision.rule!, facts)
    editAnswer(fields, decision, undefined, facts, plane.shared.table, plane.cookieKeys)
    fields.append('cache-status', this.cacheStatus!)
    const encoding = page === undefined ? this.encodingOf(decision, status, fields) : undefined
    if (bytes === null || encoding === undefined) {
      exchange.answer(status, fields, page?.text ?? bytes)
      return
    }
    encodeWhole(bytes, encoding).then(
      encoded => exchange.answer(status, fields, encoded),
      () => exchange.abort(),
    )
  }

  /** Sets what the fields have to say when the body is to be encoded. */
  private encodingOf(decision: ForwardDecision | ReplyDecision, status: number, fields: Fields): Encoding | undefined {
    const { compress } = decision.rule!
    if (compress === undefined) return undefined
    const { method } = this.facts
    const accepted = this.exchange.fields.get('accept-encoding')
    const encoding = encodingFor(compress, method, status, fields, accepted, offered)
    if (encoding === undefined) return undefined
    setVaryEncoding(fields)
    if (encoding === 'vary') return undefined
    setEncoded(fields, encoding)
    return encoding
  }

  /** All tries, and the copies; undefined when the client is gone or has its answer. `edit` is the last on the fields. */
  private async tryEndpoints(
    decision: ForwardDecision,
    edit: (fields: Fields) => void,
  ): Promise<Held<EndpointAnswer> | Reason | undefined> {
    const { plane, exchange, facts } = this
    const { rule, pool, variant } = decision
    const limitMs = this.isCall ? limitOf(exchange, rule.timeouts.callMs) : undefined
    const endsAt = limitMs === undefined ? undefined : this.acceptedAt + limitMs
    const upload = await this.readUpload(decision)
    if (upload === undefined) return undefined
    if (this.isCall && rule.retry.attempts > 1) upload.body?.keep(rule.retry.maxBufferBytes)
    const { seen } = plane
    const fields = exchange.fields.copy()
    const takesTrailers = fields.get('te')?.toLowerCase().includes('trailers') === true
    const isUpgrade = editRequest(fields, decision, facts, plane.shared.table.instance)
    fields.delete('host')
    fields.delete('content-length')
    edit(fields)
    const body = bodyOf(rule.retry, facts.method, upload.kind !== 'none', upload.length)
    // The client of a call says itself how long it waits.
    const leftMs = endsAt === undefined ? undefined : Math.max(1, endsAt - performance.now())
    const timeouts = leftMs === undefined ? rule.timeouts : { requestMs: leftMs, tryMs: leftMs }
    if (leftMs !== undefined) this.deadline = setTimeout(() => this.expire(), Math.min(leftMs, longestTimerMs))
    const plan = planHttp(
      rule.retry,
      timeouts,
      facts.method,
      upload.kind === 'stream' ? 'streamed' : body,
      this.draw,
      this.hedgeMs(decision, upload, isUpgrade),
    )
    countForBudget(seen.budgets[pool.index]!, facts.now)
    const path = endpointPath(facts, variant.filters.rewrite, matchedPrefix(decision.match, facts.path))
    const question = (endpoint: Endpoint): Question => {
      this.endpoint = endpoint
      if (endsAt !== undefined) setTimeLeft(fields, endsAt - performance.now())
      return {
        method: facts.method,
        path: endpoint.address.base + path,
        scheme: endpoint.address.scheme === 'https' ? 'https' : 'http',
        authority: hostFor(endpoint, variant.filters.host, exchange.authority),
        fields,
        upload,
        isUpgrade,
        takesTrailers,
        isCall: this.isCall,
        isTimed: endsAt !== undefined,
        isRepeatable: plan.isRepeatable,
      }
    }
    const carrier = new RelayCarrier(plane.carriage, pool, rule.timeouts.connectMs, question)
    carrier.onInform = (status, informed) => {
      if (this.headersMs === undefined) exchange.inform(status, informed)
    }
    this.carrier = carrier
    const ledger = openLedger(facts.subrequests)
    const isSampled = rule.hedge?.by === 'percentile' && plan.hedgeMs !== undefined
    const tries = openTries(carrier, seen, decision, this.draw, plan, ledger, retriesPerSecond.relay, isSampled)
    this.attempts = tries.attempts
    const held = await tryUntilAnswered(tries, facts.now, () => {
      if (rule.mirrors.length > 0 && !isUpgrade) this.sendMirrors(decision, upload, fields, path, plan.attempts)
    })
    upload.body?.release()
    return held
  }

  private hedgeMs({ rule, pool }: ForwardDecision, upload: Upload, isUpgrade: boolean): number | undefined {
    if (rule.hedge === undefined) return undefined
    const body = upload.kind === 'stream' ? 'streamed' : upload.kind === 'none' ? 'none' : 'buffered'
    if (!mayHedge(rule.hedge, this.facts.method, body, isUpgrade)) return undefined
    return hedgeAfterMs(rule.hedge, this.plane.seen.sketches[pool.index]!)
  }

  /**
   * Reads a short body of known length whole, so that it can be sent again, and a client that dawdles in the middle holds
   * no endpoint. Undefined when the client went away in the middle of it.
   */
  private async readUpload({ rule }: ForwardDecision): Promise<Upload | undefined> {
    const { body, bodyLength: length } = this.exchange
    if (body === undefined) return NOTHING
    if (length === undefined || length > rule.retry.maxBufferBytes) {
      return { kind: 'stream', bytes: undefined, body, length }
    }
    const bytes = body.takeWhole() ?? (await readWhole(body))
    if (bytes !== 'broken') return { kind: 'bytes', bytes, body: undefined, length: bytes.length }
    if (!this.exchange.isGone) {
      const spoiled = this.exchange.malformed
      this.giveUp(this.decision as ForwardDecision, 'http_request_error', spoiled?.status ?? 400, spoiled?.details)
    }
    return undefined
  }

  private sendMirrors({ rule }: ForwardDecision, upload: Upload, fields: Fields, path: string, attempts: number): void {
    const { plane, facts } = this
    const { table } = plane.shared
    const copied = fields.copy()
    copied.set(MIRROR, '1')
    const isKept = upload.kind !== 'stream'
    const ledger = openLedger(facts.subrequests)
    const authority = this.exchange.authority
    this.mirrors = sendMirrors(
      rule.mirrors,
      table,
      facts,
      plane.seen,
      this.draw,
      isKept,
      ledger,
      attempts - 1,
      (pool, endpoint) => {
        const question = {
          method: facts.method,
          path: endpoint.address.base + path,
          scheme: endpoint.address.scheme === 'https' ? ('https' as const) : ('http' as const),
          authority: hostFor(endpoint, undefined, authority),
          fields: copied,
          upload,
          isUpgrade: false,
          takesTrailers: false,
          isCall: false,
          isTimed: false,
          isRepeatable: false,
        }
        void copyTo(plane.carriage, pool, endpoint, question, rule.timeouts)
      },
    )
  }

  /** An endpoint's answer, as the client shall see it. From here on nothing is tried again. */
  private passOn({ response, endpoint }: Held<EndpointAnswer>, decision: ForwardDecision): void {
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
      this.passOnCall(response, decision, endpoint)
      return
    }
    this.headers(status)
    if (upgraded !== undefined) {
      const own = exchange.upgrade(fields)
      if (own === undefined) upgraded.socket.destroy()
      else {
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

  private passOnCall({ status, fields, body }: EndpointAnswer, decision: ForwardDecision, endpoint: Endpoint): void {
    const { exchange, facts, plane } = this
    const instead = statusInstead(status, fields)
    editAnswer(fields, decision, endpoint, facts, plane.shared.table, plane.cookieKeys)
    this.headers(200)
    this.grpcStatus = instead ?? grpcStatusIn(fields)
    if (instead !== undefined || body === undefined) {
      body?.cancel()
      exchange.answer(200, fields, null)
      return
    }
    exchange.lastWords = lastFields('http_response_incomplete')
    exchange.begin(200, fields, body)
  }

  /** The deadline of a call has passed: its endpoint is told to stop, and its client what that means. */
  private expire(): void {
    // Before the header of an answer the try itself runs out.
    if (this.isRecorded || this.headersMs === undefined) return
    this.reason ??= 'http_response_timeout'
    this.answerBody?.cancel()
    this.exchange.finish(lastFields('http_response_timeout'))
  }

  /** No endpoint answered: we do. */
  private giveUp(
    decision: ForwardDecision | ReplyDecision,
    reason: Reason,
    status: number = reasons[reason].status,
    details?: string | undefined,
  ): void {
    const page = pageText(this.facts, decision.rule, status)
    this.reply(answerOurselves(this.facts.method, reason, status, details, page), decision, reason)
  }

  /** An answer of ours. */
  private reply(own: OwnAnswer, decision: HttpDecision | undefined, reason: Reason | undefined): void {
    const { exchange, facts, plane } = this
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

  private headers(status: number): void {
    this.status = status
    this.headersMs = performance.now() - this.acceptedAt
  }

  private gone(): void {
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
    if (!isWhole && this.answerBody?.state === 'broken') this.reason ??= 'http_response_incomplete'
    if (!isWhole) this.answerBody?.cancel()
    plane.requests.delete(this)
    const totalMs = performance.now() - this.acceptedAt
    const status = this.status === 0 ? reasons.client_gone.status : this.status
    if (this.isCall) this.grpcStatus = this.callStatus()
    const counted = this.grpcStatus === undefined ? status : httpStatusOfGrpc(this.grpcStatus)
    countRequest(plane.metrics, decision, counted, this.headersMs ?? totalMs)
    if (this.cacheWord !== undefined) countCache(plane.metrics, decision, this.cacheWord)
    if (isRecorded(facts, decision, counted, this.reason)) {
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

  /** As its client has it: what we said, what the endpoint said at the end, or that the client went away. */
  private callStatus(): number | undefined {
    if (this.grpcStatus !== undefined) return this.grpcStatus
    if (this.reason !== undefined) return grpcRefusal(this.reason, reasons[this.reason].status)
    return grpcStatusIn(this.answerBody?.trailers)
  }
}

/** A longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1

/** One try, whose answer is dropped unread. Never rejects: nobody is there to hear it. */
async function copyTo(
  carriage: Carriage,
  pool: Pool,
  endpoint: Endpoint,
  question: Question,
  timeouts: { readonly tryMs: number; readonly connectMs: number },
): Promise<void> {
  const carrier = new RelayCarrier(carriage, pool, timeouts.connectMs, () => question)
  const end = await carrier.ask(endpoint, timeouts.tryMs).end
  carrier.settle(endpoint, end, false)
  if (end.response !== undefined) carrier.drop(end.response)
}

/** The Host that the endpoint sees. */
export function hostFor({ address }: Endpoint, wanted: string | undefined, clients: string): string {
  if (wanted === undefined) return clients
  if (wanted !== 'endpoint') return wanted
  if (address.scheme === 'unix') return 'localhost'
  return address.origin.slice(address.origin.indexOf('://') + 3)
}

function urlLengthOf({ scheme, authority, path, search }: Exchange): number {
  return scheme.length + 3 + authority.length + path.length + search.length
}

function isAtLimit(decision: HttpDecision): boolean {
  return decision.do === 'reply' && decision.reason === 'connection_limit_reached'
}

function reasonOf(decision: HttpDecision): Reason | undefined {
  return decision.do === 'reply' ? decision.reason : undefined
}

function nothing(): void {}

const NONE: readonly never[] = []
const NOTHING: Upload = { kind: 'none', bytes: undefined, body: undefined, length: undefined }
