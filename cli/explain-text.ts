// An explanation for people: the decision first, then every step that led to it.

import type { Filters, HeaderEdits, SessionCounts, SessionKey } from '../shared/config/parsed.ts'
import { formatDuration, formatSize } from '../shared/config/units.ts'
import type { FlowExplanation } from '../shared/explain/flow.ts'
import type {
  Candidate,
  CopiesExplanation,
  HttpExplanation,
  RetryExplanation,
  RuleExplanation,
} from '../shared/explain/http.ts'
import type { PoolExplanation } from '../shared/explain/pool.ts'
import type { SplitExplanation } from '../shared/explain/split.ts'
import { drawTable, paint } from './paint.ts'

export function renderHttpExplanation(explanation: HttpExplanation): string {
  const { request, candidates, decidedBy, split, pool, retry, copies, filters, rule } = explanation
  const read = Object.entries(request.read).map(
    ([name, value]) => `${name} ${value === undefined ? 'absent' : quoted(value)}`,
  )
  return [
    heading('Request'),
    `  ${request.method} ${request.url}`,
    `  client ${request.clientAddress ?? 'unknown'}, country ${request.country ?? 'unknown'}`,
    ...(read.length === 0 ? [] : [`  the config reads: ${read.join(', ')}`]),
    heading('Decision'),
    ...httpDecisionLines(explanation),
    heading(`Candidates (${candidatesWhere(explanation)})`),
    candidateTable(candidates, candidate => [hostnameOf(candidate)]),
    ...(decidedBy === undefined ? [] : [`  ${decidedBy.over} would hold too; decided by ${decidedBy.step}`]),
    ...splitLines(split),
    ...poolLines(pool),
    ...retryLines(retry),
    ...copyLines(copies),
    ...filterLines(filters),
    ...answerLines(explanation),
    ...ruleLines(rule),
  ].join('\n')
}

export function renderFlowExplanation(explanation: FlowExplanation): string {
  const { flow, candidates, decidedBy, decision, split, pool } = explanation
  return [
    heading(flow.key === undefined ? 'Connection' : 'Session'),
    `  ${flow.from} to listener ${flow.listener} (${flow.to})`,
    ...(flow.tls === undefined
      ? []
      : [`  asks for ${flow.tls.sni ?? 'no server name'}, offers ${flow.tls.alpn.join(', ') || 'no protocols'}`]),
    ...(flow.carriedBy.length === 0
      ? []
      : [`  peers in ${flow.carriedBy.join(', ')} have to send a PROXY header; this is the client that it names`]),
    ...(flow.key === undefined ? [] : [`  a session is ${keyWords(flow.key)}`]),
    heading('Decision'),
    ...(decision.do === 'refuse'
      ? [`  ${paint('red', 'refuse')}: ${decision.reason}`, `  ${decision.says}`]
      : [
          decision.endpoint === undefined
            ? `  ${paint('green', 'forward')} to an endpoint that cannot be told: it goes by where the client connects to; say --to ADDRESS:PORT`
            : `  ${paint('green', 'forward')} to ${paint('bold', decision.endpoint)}`,
          `  rule ${decision.rule}, variant ${decision.variant}, pool ${decision.pool}`,
          `  ${triesWords(decision.attempts, decision.connectMs)}idle for at most ${formatDuration(decision.idleMs)}${sessionWords(decision.session)}`,
        ]),
    heading('Candidates'),
    candidateTable(candidates, () => []),
    ...(decidedBy === undefined ? [] : [`  ${decidedBy.over} would hold too; decided by ${decidedBy.step}`]),
    ...splitLines(split),
    ...poolLines(pool),
  ].join('\n')
}

function triesWords(attempts: number | undefined, connectMs: number | undefined): string {
  if (attempts === undefined || connectMs === undefined) return ''
  return `${attempts === 1 ? 'one try' : `up to ${attempts} tries`} within ${formatDuration(connectMs)}, `
}

function keyWords(key: SessionKey): string {
  if (key.by === 'quic') return `a QUIC connection id, of ${key.idLength} bytes where the endpoint chose it`
  return key.by === 'flow' ? 'the address and port of a client' : 'the address of a client, whatever its port'
}

function sessionWords(session: SessionCounts | undefined): string {
  const { requests, responses } = session ?? {}
  const asked = requests === undefined ? '' : `, over after ${requests} ${requests === 1 ? 'datagram' : 'datagrams'}`
  return `${asked}${responses === undefined ? '' : `, ${responses} answered to each`}`
}

function httpDecisionLines({ decision }: HttpExplanation): string[] {
  switch (decision.do) {
    case 'forward':
      return [
        `  ${paint('green', 'forward')} to ${paint('bold', decision.endpoint)}`,
        `  rule ${decision.rule}, variant ${decision.variant}, pool ${decision.pool}`,
        `  asked for ${decision.url}`,
      ]
    case 'operator':
      return [`  ${paint('cyan', 'operator')}`, `  ${decision.says}`]
    case 'redirect':
      return [`  ${paint('cyan', `redirect ${decision.status}`)} to ${decision.location}`, `  rule ${decision.rule}`]
    case 'preflight':
      return [
        `  ${paint('cyan', 'preflight 204')}: ${decision.allowed === undefined ? 'the origin is not allowed' : `allowed for ${decision.allowed}`}`,
        `  rule ${decision.rule}`,
      ]
    case 'reply':
      return [
        `  ${paint(decision.reason === undefined ? 'cyan' : 'red', `reply ${decision.status}`)}${decision.reason === undefined ? '' : `: ${decision.reason}`}${decision.grpcStatus === undefined ? '' : `, as grpc-status ${decision.grpcStatus}`}`,
        `  ${decision.rule === undefined ? '' : `rule ${decision.rule}: `}${decision.says}${decision.details === undefined ? '' : ` (${decision.details})`}`,
      ]
  }
}

/** In the order of precedence: the first that holds serves. */
function candidateTable<Row extends Omit<Candidate, 'hostname'>>(
  candidates: readonly Row[],
  more: (candidate: Row) => string[],
): string {
  if (candidates.length === 0) return '  none'
  const isElsewhere = (candidate: Row) => candidate.failed?.predicate === 'hostname'
  const shown = candidates.length > MOST_SHOWN ? candidates.filter(candidate => !isElsewhere(candidate)) : candidates
  const left = candidates.length - shown.length
  const rows = shown.map(candidate => [
    `${candidate.rule}${candidate.match === 0 ? '' : ` match ${candidate.match}`}`,
    ...more(candidate),
    candidate.verdict === 'serves' ? paint('green', 'serves') : candidate.verdict,
    candidate.failed === undefined
      ? ''
      : `${candidate.failed.predicate}: wants ${candidate.failed.wanted}, got ${candidate.failed.got}`,
    candidate.path,
  ])
  const extra = more(candidates[0]!).length === 0 ? [] : ['hostname']
  const table = drawTable(['rule', ...extra, 'verdict', 'first that failed', 'in the config'], rows)
  return left === 0 ? table : `${table}\n  and ${left} under other hostnames (--json shows them)`
}

function hostnameOf(candidate: Omit<Candidate, 'hostname'> & { readonly hostname?: string }): string {
  return candidate.hostname ?? 'any'
}

function splitLines(split: SplitExplanation | undefined): string[] {
  if (split === undefined) return []
  const user =
    split.user === undefined
      ? `  decided by ${split.chosenBy}`
      : `  user by ${split.user.from} ${quoted(split.user.value)}: slot ${split.slot} of 65536`
  const rows = split.variants.map(({ name, weight, slots, percent }) => [
    name,
    String(weight),
    String(slots),
    `${percent} %`,
    name === split.chosen ? paint('green', 'chosen') : '',
  ])
  return [
    heading(`Split ${split.name} (by ${split.by}, epoch ${split.epoch})`),
    user,
    ...split.force.map(({ from, value, effect }) => `  force ${from} ${quoted(value)}: ${effect}`),
    ...(split.pin === undefined ? [] : [`  pin: ${split.pin}`]),
    drawTable(['variant', 'weight', 'slots', 'share', ''], rows),
  ]
}

function poolLines(pool: PoolExplanation | undefined): string[] {
  if (pool === undefined) return []
  const rows = pool.endpoints.map(endpoint => [
    endpoint.name,
    endpoint.state,
    String(endpoint.priority),
    `${endpoint.weight}${endpoint.rampedTo === 1 ? '' : ` (ramped to ${Math.round(endpoint.rampedTo * 100)} %)`}`,
    String(endpoint.open),
    endpoint.leftOut ?? placeIn(pool.order, endpoint.name),
  ])
  return [
    heading(`Pool ${pool.name} (balance ${pool.balance}${pool.key === undefined ? '' : `, key ${quoted(pool.key)}`})`),
    ...(pool.sendProxy === undefined ? [] : [`  a PROXY header of ${pool.sendProxy} goes first`]),
    ...(pool.probe === undefined ? [] : [`  probe: ${pool.probe}`]),
    ...(pool.isPanic ? [paint('yellow', '  panic: too few endpoints are up, so all are used')] : []),
    drawTable(['endpoint', 'state', 'priority', 'weight', 'open', 'tried'], rows),
  ]
}

function placeIn(order: readonly string[], name: string): string {
  const place = order.indexOf(name)
  return place === 0 ? paint('green', 'first') : `as number ${place + 1}`
}

function candidatesWhere({ isAtDoor, listener }: HttpExplanation): string {
  if (isAtDoor) return 'the door answers, no rule is asked'
  return listener === undefined ? 'no listener takes this host' : `listener ${listener}`
}

function retryLines(retry: RetryExplanation | undefined): string[] {
  if (retry === undefined) return []
  const { attempts, allowed, why, on, unsafe, body, maxBufferBytes, tryMs, requestMs } = retry
  const less = why === undefined ? '' : `; the rule allows ${allowed}: ${why}`
  const each = tryMs === undefined ? 'without a clock for so long a body' : formatDuration(tryMs)
  const kept =
    body === 'none' ? `bodies up to ${formatSize(maxBufferBytes)} are kept for a second try` : 'its body is kept'
  return [
    heading('Retry'),
    attempts === 1
      ? `  one try, ${each}${less}`
      : `  up to ${attempts} tries on ${on.join(', ')}${unsafe ? ', POST and PATCH too' : ''}; ` +
        `${each} a try, ${formatDuration(requestMs)} in all; ${kept}${less}`,
  ]
}

function answerLines({ cookies, exposed }: HttpExplanation): string[] {
  const lines = [
    ...Object.entries(exposed).map(([name, value]) => `  says ${name}: ${value}`),
    ...cookies.map(
      ({ name, value, maxAgeS }) =>
        `  sets cookie ${name}=${value} for ${formatDuration(maxAgeS * 1_000)}, before it is signed`,
    ),
  ]
  return lines.length === 0 ? [] : [heading('The answer'), ...lines]
}

function copyLines(copies: CopiesExplanation | undefined): string[] {
  if (copies === undefined) return []
  const { hedgeAfter, mirrors, subrequests } = copies
  const { tries, total, of } = subrequests
  const parts = `${tries} ${tries === 1 ? 'try' : 'tries'}, ${subrequests.mirrors} ${subrequests.mirrors === 1 ? 'mirror' : 'mirrors'}`
  return [
    heading('Subrequests'),
    // The relay counts none.
    `  at most ${total}${Number.isFinite(of) ? ` of ${of}` : ''} (${parts})`,
    ...(hedgeAfter === undefined
      ? []
      : [
          `  a second try beside the first after ${typeof hedgeAfter === 'number' ? formatDuration(hedgeAfter) : `${hedgeAfter} of the pool's answers`}`,
        ]),
    ...mirrors.map(
      ({ pool, percent, isSent }) =>
        `  a copy to pool ${pool}: ${percent} % of requests, ${isSent ? paint('green', 'this one too') : 'not this one'}`,
    ),
  ]
}

function filterLines(filters: Filters | undefined): string[] {
  if (filters === undefined) return []
  const lines = [
    ...(filters.host === undefined ? [] : [`  Host rewritten to ${filters.host}`]),
    ...(filters.rewrite === undefined ? [] : [`  ${filters.rewrite.kind} rewritten to ${filters.rewrite.value}`]),
    ...editLines('to the endpoint', filters.request),
    ...editLines('to the client', filters.response),
  ]
  return lines.length === 0 ? [] : [heading('Changes'), ...lines]
}

function ruleLines(rule: RuleExplanation | undefined): string[] {
  if (rule === undefined) return []
  const { cors, errorPages, maxBodyBytes, sample } = rule
  const lines = [
    ...(cors === undefined
      ? []
      : [`  CORS for ${cors.origins.join(', ')}${cors.credentials ? ', with credentials' : ''}`]),
    ...(errorPages.length === 0 ? [] : [`  error pages for ${errorPages.join(', ')}`]),
    ...(maxBodyBytes === undefined ? [] : [`  request bodies up to ${formatSize(maxBodyBytes)}`]),
    ...(sample === 1 ? [] : [`  ${sample * 100} % of the requests are recorded, and every failure`]),
  ]
  return lines.length === 0 ? [] : [heading('The rule says too'), ...lines]
}

function editLines(where: string, edits: HeaderEdits): string[] {
  return [
    ...edits.set.map(([name, value]) => `  ${where}: set ${name}: ${value}`),
    ...edits.add.map(([name, value]) => `  ${where}: add ${name}: ${value}`),
    ...edits.remove.map(name => `  ${where}: remove ${name}`),
  ]
}

function heading(text: string): string {
  return paint('bold', text)
}

function quoted(value: string): string {
  return JSON.stringify(value)
}

/** With more candidates than this those of other hostnames are only counted. */
const MOST_SHOWN = 40
