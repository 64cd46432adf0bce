// How a try ended, in the words of `retry.on` and of the outlier judge. The same failure looks different in each plane
// (a thrown error in Node, a 52x answer at Cloudflare); here both get one name.

/**
 * - `connect-failure`: no connection was made, so the endpoint has seen nothing of the request.
 * - `ambiguous`: Cloudflare's 522; it stands for a refused handshake as well as for lost packets on an open connection.
 * - `sent`: the request reached the endpoint and no proper answer came back.
 * - `timeout`: the try ran out of time.
 * - `reset`: the connection broke after it was made and before an answer.
 */
export type FailureClass = 'connect-failure' | 'ambiguous' | 'sent' | 'timeout' | 'reset'

/** How a try ended: an HTTP status, a connected flow, or a failure. */
export type Outcome = number | 'connected' | FailureClass

/**
 * What a 52x answer of Cloudflare's front says (5xx errors of its support pages): 521 refused, 523 unreachable, 525 and
 * 526 TLS, 530 DNS (error 1016); 522 timed out connecting or acknowledging; 520 empty or broken answer, 524 no answer in
 * time. Undefined for every other status: it is the endpoint's own word.
 */
export function classOfStatus(status: number): FailureClass | undefined {
  switch (status) {
    case 521:
    case 523:
    case 525:
    case 526:
    case 530:
      return 'connect-failure'
    case 522:
      return 'ambiguous'
    case 520:
    case 524:
      return 'sent'
    default:
      return undefined
  }
}

/**
 * Whether one of the words of `retry.on` names the outcome. A status is named by its code, by `5xx`, by `gateway-error`
 * (502, 503, 504; Envoy's word) or by its class. A failure without a status is named by its class only: `504` is the
 * endpoint's word, `timeout` is ours.
 */
export function isNamed(on: readonly string[], outcome: Outcome): boolean {
  if (typeof outcome !== 'number') return on.includes(outcome)
  const failure = classOfStatus(outcome)
  for (const word of on) {
    if (word === failure) return true
    if (word === '5xx') {
      if (outcome >= 500 && outcome <= 599) return true
    } else if (word === 'gateway-error') {
      if (outcome >= 502 && outcome <= 504) return true
    } else if (Number(word) === outcome) return true
  }
  return false
}

/**
 * What the outlier judge makes of a try. Failures are 502, 503, 504 and every failure class. Other 5xx are neutral: an
 * application that fails on one page says nothing about its endpoint, and must not hide failures around it either.
 */
export function verdictOf(outcome: Outcome): 'failure' | 'success' | 'neutral' {
  if (outcome === 'connected') return 'success'
  if (typeof outcome !== 'number') return 'failure'
  if (outcome < 500) return 'success'
  return (outcome >= 502 && outcome <= 504) || classOfStatus(outcome) !== undefined ? 'failure' : 'neutral'
}
