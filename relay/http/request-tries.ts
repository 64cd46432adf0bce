// A request at the endpoints: what each is asked, the tries, and the copies that are sent aside.

import { countRequest as countForBudget, retriesPerSecond } from '../../shared/attempt/budget.ts'
import { hedgeAfterMs, mayHedge } from '../../shared/attempt/hedge.ts'
import { openLedger } from '../../shared/attempt/ledger.ts'
import { sendMirrors } from '../../shared/attempt/mirrors.ts'
import { bodyOf, planHttp } from '../../shared/attempt/plan.ts'
import { type Held, openTries, tryUntilAnswered } from '../../shared/attempt/tries.ts'
import { isTlsScheme } from '../../shared/config/endpoint-address.ts'
import type { ForwardDecision } from '../../shared/decide/decision.ts'
import { matchedPrefix } from '../../shared/decide/match.ts'
import type { Reason } from '../../shared/decide/reason.ts'
import { editRequest, MIRROR } from '../../shared/http/edit.ts'
import { removeHopByHop } from '../../shared/http/hop-by-hop.ts'
import { endpointPath } from '../../shared/http/paths.ts'
import type { Endpoint, Pool } from '../../shared/pool/pool.ts'
import { callNext } from '../waiting.ts'
import { readWhole } from './body.ts'
import type { EndpointAnswer, Question, Upload } from './call.ts'
import { type Carriage, RelayCarrier } from './carrier.ts'
import type { Fields } from './fields.ts'
import { limitOf, setTimeLeft } from './grpc.ts'
import { introduce } from './introduce.ts'
import type { LiveRequest } from './request.ts'
import { expire } from './request-call.ts'

/** All tries, and the copies; undefined when the client is gone or has its answer. `edit` is the last on the fields. */
export async function tryEndpoints(
  request: LiveRequest,
  decision: ForwardDecision,
  edit: (fields: Fields) => void,
): Promise<Held<EndpointAnswer> | Reason | undefined> {
  const { plane, exchange, facts } = request
  const { rule, pool, variant } = decision
  const limitMs = request.isCall ? limitOf(exchange, rule.timeouts.callMs) : undefined
  const endsAt = limitMs === undefined ? undefined : request.acceptedAt + limitMs
  const upload = request.upload ?? (await readUpload(request, decision))
  if (upload === undefined || exchange.isGone) return undefined
  request.upload = upload
  if (request.isCall && rule.retry.attempts > 1) upload.body?.keep(rule.retry.maxBufferBytes)
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
  clearTimeout(request.deadline)
  if (leftMs !== undefined) request.deadline = setTimeout(() => expire(request), Math.min(leftMs, longestTimerMs))
  const plan = planHttp(
    rule.retry,
    timeouts,
    facts.method,
    isStreamed(upload) ? 'streamed' : body,
    request.draw,
    hedgeMs(request, decision, upload, isUpgrade),
  )
  if (request.carrier === undefined) countForBudget(seen.budgets[pool.index]!, facts.now)
  const { sendProxy } = pool
  const introduction = sendProxy && introduce(sendProxy, decision, facts, exchange.connection)
  const path = endpointPath(facts, variant.filters.rewrite, matchedPrefix(decision.match, facts.path))
  const question = (endpoint: Endpoint): Question => {
    request.endpoint = endpoint
    if (endsAt !== undefined) setTimeLeft(fields, endsAt - performance.now())
    return {
      method: facts.method,
      path: endpoint.address.base + path,
      scheme: isTlsScheme(endpoint.address.scheme) ? 'https' : 'http',
      authority: hostFor(endpoint, variant.filters.host, exchange.authority),
      fields,
      upload,
      isUpgrade,
      takesTrailers,
      isCall: request.isCall,
      isTimed: endsAt !== undefined,
      isRepeatable: plan.isRepeatable,
      introduction,
    }
  }
  const carrier = new RelayCarrier(plane.carriage, pool, rule.timeouts.connectMs, question)
  carrier.onInform = (status, informed) => {
    removeHopByHop(informed, false)
    if (request.headersMs === undefined) exchange.inform(status, informed)
  }
  request.carrier = carrier
  const ledger = openLedger(facts.subrequests)
  const isSampled = rule.hedge?.by === 'percentile' && plan.hedgeMs !== undefined
  const tries = openTries(carrier, seen, decision, request.draw, plan, ledger, retriesPerSecond.relay, isSampled)
  request.attempts = tries.attempts
  const held = await tryUntilAnswered(tries, facts.now, () => {
    // Who waits behind it may ask whether there is one more place.
    if (pool.queue !== undefined) callNext(plane.shared.waiting, pool)
    if (rule.mirrors.length > 0 && !isUpgrade) mirror(request, decision, upload, fields, path, plan.attempts)
  })
  upload.body?.release()
  return held
}

function hedgeMs(
  request: LiveRequest,
  { rule, pool }: ForwardDecision,
  upload: Upload,
  isUpgrade: boolean,
): number | undefined {
  if (rule.hedge === undefined) return undefined
  const body = isStreamed(upload) ? 'streamed' : upload.kind === 'none' ? 'none' : 'buffered'
  if (!mayHedge(rule.hedge, request.facts.method, body, isUpgrade)) return undefined
  return hedgeAfterMs(rule.hedge, request.plane.seen.sketches[pool.index]!)
}

/** One whose length was not said counts as a stream, also where it came whole: what is done must not hang on how fast. */
function isStreamed({ kind, length }: Upload): boolean {
  return kind === 'stream' || (kind === 'bytes' && length === undefined)
}

/**
 * Reads a short body of known length whole, so that it can be sent again, and a client that dawdles in the middle holds
 * no endpoint; one of unknown length only when it is there already. Undefined when the client went away in the middle of it.
 */
async function readUpload(request: LiveRequest, { rule }: ForwardDecision): Promise<Upload | undefined> {
  const { body, bodyLength: length } = request.exchange
  if (body === undefined) return NOTHING
  // What came along with the header is taken in when the ticks of that read are over.
  if (body.state === 'open') await undefined
  const whole = body.takeWhole()
  if (whole !== undefined && whole.length <= rule.retry.maxBufferBytes) {
    return { kind: 'bytes', bytes: whole, body: undefined, length }
  }
  if (length === undefined || length > rule.retry.maxBufferBytes) {
    return { kind: 'stream', bytes: undefined, body, length }
  }
  const bytes = await readWhole(body, rule.timeouts.tryMs)
  if (typeof bytes !== 'string') return { kind: 'bytes', bytes, body: undefined, length: bytes.length }
  if (bytes === 'late') request.giveUp(request.decision as ForwardDecision, 'http_request_timeout')
  else if (!request.exchange.isGone) {
    const spoiled = request.exchange.malformed
    request.giveUp(request.decision as ForwardDecision, 'http_request_error', spoiled?.status ?? 400, spoiled?.details)
  }
  return undefined
}

function mirror(
  request: LiveRequest,
  decision: ForwardDecision,
  upload: Upload,
  fields: Fields,
  path: string,
  attempts: number,
): void {
  const { plane, facts } = request
  const { rule } = decision
  const { table } = plane.shared
  const copied = fields.copy()
  copied.set(MIRROR, '1')
  const isKept = !isStreamed(upload)
  const ledger = openLedger(facts.subrequests)
  const { authority, connection } = request.exchange
  request.mirrors = sendMirrors(
    rule.mirrors,
    table,
    facts,
    plane.seen,
    request.draw,
    isKept,
    ledger,
    attempts - 1,
    (pool, endpoint) => {
      const question = {
        method: facts.method,
        path: endpoint.address.base + path,
        scheme: isTlsScheme(endpoint.address.scheme) ? ('https' as const) : ('http' as const),
        authority: hostFor(endpoint, undefined, authority),
        fields: copied,
        upload,
        isUpgrade: false,
        takesTrailers: false,
        isCall: false,
        isTimed: false,
        isRepeatable: false,
        introduction: pool.sendProxy && introduce(pool.sendProxy, decision, facts, connection),
      }
      void copyTo(plane.carriage, pool, endpoint, question, rule.timeouts)
    },
  )
}

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

const NOTHING: Upload = { kind: 'none', bytes: undefined, body: undefined, length: undefined }
/** A longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1
