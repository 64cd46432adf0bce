// Why a request or flow was not carried as asked: one word for records, metrics, explain and Proxy-Status, with the
// HTTP status it is answered with. `docs/reasons.md` has a heading for each and is checked against this list.

export interface ReasonMeaning {
  /** The status of our own answer at an HTTP door, unless the decision names another one. */
  readonly status: number
  /** In the IANA registry of HTTP proxy error types (RFC 9209 section 2.3). */
  readonly isRegistered: boolean
  /** One sentence. */
  readonly says: string
}

/**
 * Words and recommended statuses of RFC 9209 section 2.3, with two departures: `destination_not_found` is 404 where the
 * RFC recommends 500 (a host or path nobody routes is the client's to mend), and `proxy_loop_detected` is 508 where it
 * recommends 502 (RFC 5842 has the fitting status).
 */
export const reasons = {
  destination_not_found: { status: 404, isRegistered: true, says: 'No route matches the request.' },
  destination_unavailable: { status: 503, isRegistered: true, says: 'The pool has no endpoint that may be used now.' },
  destination_ip_unroutable: {
    status: 502,
    isRegistered: true,
    says: 'There is no network route to the address of the endpoint.',
  },
  dns_error: { status: 502, isRegistered: true, says: 'The name of the endpoint could not be resolved.' },
  dns_timeout: { status: 504, isRegistered: true, says: 'Resolving the name of the endpoint took too long.' },
  connection_refused: { status: 502, isRegistered: true, says: 'The endpoint refused the connection.' },
  connection_terminated: {
    status: 502,
    isRegistered: true,
    says: 'The connection to the endpoint was closed before the answer was complete.',
  },
  connection_timeout: { status: 504, isRegistered: true, says: 'Connecting to the endpoint took too long.' },
  connection_limit_reached: {
    status: 503,
    isRegistered: true,
    says: 'The pool or every endpoint left in it has as many requests or flows open as it may have.',
  },
  tls_protocol_error: { status: 502, isRegistered: true, says: 'TLS with the endpoint failed.' },
  tls_certificate_error: {
    status: 502,
    isRegistered: true,
    says: 'The certificate of the endpoint could not be verified.',
  },
  misdirected_request: {
    status: 421,
    isRegistered: false,
    says: 'The TLS of the connection asked for the name of another listener than the one that takes the host.',
  },
  http_request_error: { status: 400, isRegistered: true, says: 'The request is malformed or larger than allowed.' },
  http_request_denied: { status: 403, isRegistered: true, says: 'The config does not let this client or request in.' },
  http_response_incomplete: { status: 502, isRegistered: true, says: 'The answer of the endpoint ended early.' },
  http_response_timeout: {
    status: 504,
    isRegistered: true,
    says: 'The endpoint did not answer within the time for a try or for the request.',
  },
  http_request_timeout: {
    status: 408,
    isRegistered: false,
    says: 'Nothing came of the body of the request for the time of a try, and it is not whole.',
  },
  http_upgrade_failed: { status: 502, isRegistered: true, says: 'The endpoint did not switch protocols as asked.' },
  http_protocol_error: {
    status: 502,
    isRegistered: true,
    says: 'The endpoint answered with something that is not HTTP.',
  },
  not_in_cache: {
    status: 504,
    isRegistered: false,
    says: 'The client wants a stored answer or none (only-if-cached), and there is none that may be given.',
  },
  proxy_internal_response: {
    status: 200,
    isRegistered: true,
    says: 'The config says to answer here, without an endpoint.',
  },
  proxy_internal_error: { status: 500, isRegistered: true, says: 'A bug in Fourseven.' },
  proxy_configuration_error: {
    status: 500,
    isRegistered: true,
    says: 'The config asks for something that this door cannot do.',
  },
  proxy_loop_detected: {
    status: 508,
    isRegistered: true,
    says: 'The request came back through the same instance.',
  },
  // Ours: the registry has no word. 499 is nginx's; it stands in records only, since nobody is there to read it.
  client_gone: { status: 499, isRegistered: false, says: 'The client went away before it was answered.' },
  client_reset: {
    status: 499,
    isRegistered: false,
    says: 'The connection to the client broke in the middle of the flow: a reset, or no answer to keep-alive.',
  },
  endpoint_reset: {
    status: 502,
    isRegistered: false,
    says: 'The connection to the endpoint broke in the middle of the flow: a reset, or no answer to keep-alive.',
  },
  relay_exhausted: {
    status: 503,
    isRegistered: false,
    says: 'The relay is out of file descriptors, local ports or memory for one more connection.',
  },
  subrequests_exhausted: {
    status: 503,
    isRegistered: false,
    says: 'The request has used up the subrequests that a Worker may make for it.',
  },
  not_tls: {
    status: 400,
    isRegistered: false,
    says: 'The client does not begin with TLS, and no rule takes it without.',
  },
  client_hello_invalid: {
    status: 400,
    isRegistered: false,
    says: 'The ClientHello is malformed or longer than the listener looks, and no rule takes it unread.',
  },
  server_name_missing: {
    status: 421,
    isRegistered: false,
    says: 'The client names no server in its ClientHello, and no rule takes it without.',
  },
  peek_timeout: {
    status: 408,
    isRegistered: false,
    says: 'The first bytes that the listener has to see, or the TLS handshake with the client, took too long.',
  },
  client_tls_error: {
    status: 400,
    isRegistered: false,
    says: 'TLS with the client failed: no version, cipher or protocol in common, or its certificate is missing or not verified.',
  },
  connection_limit: {
    status: 503,
    isRegistered: false,
    says: 'The listener has as many connections open as it may have.',
  },
  address_limit: {
    status: 503,
    isRegistered: false,
    says: 'The client address has as many connections open at the listener as it may have.',
  },
  accept_rate: {
    status: 503,
    isRegistered: false,
    says: 'More connections came to the listener within a second than it takes.',
  },
  address_denied: { status: 403, isRegistered: false, says: 'The listener does not take this client address.' },
  queue_full: {
    status: 503,
    isRegistered: false,
    says: 'The pool is at its limit, and as many flows wait for a place as may wait.',
  },
  queue_timeout: {
    status: 503,
    isRegistered: false,
    says: 'The flow waited for a place in the pool until its time was up.',
  },
  proxy_header_missing: {
    status: 400,
    isRegistered: false,
    says: 'The connection came from where a PROXY header is required and began with something else.',
  },
  proxy_header_malformed: {
    status: 400,
    isRegistered: false,
    says: 'The connection began with a PROXY header that is not as the protocol has it, too long, or cut short.',
  },
  proxy_header_checksum: {
    status: 400,
    isRegistered: false,
    says: 'The checksum in the PROXY header is not that of its bytes.',
  },
  proxy_header_timeout: {
    status: 408,
    isRegistered: false,
    says: 'The PROXY header was not complete 3 s after the connection began.',
  },
  http2_resets: {
    status: 429,
    isRegistered: false,
    says: 'The client reset its streams as soon as they were begun, many times over.',
  },
  http2_headers: {
    status: 429,
    isRegistered: false,
    says: 'The client sent requests whose header is malformed or larger than allowed, many times over.',
  },
  http2_pings: { status: 429, isRegistered: false, says: 'The client sent PING frames without end.' },
  http2_settings: { status: 429, isRegistered: false, says: 'The client sent SETTINGS frames without end.' },
  http2_continuations: {
    status: 429,
    isRegistered: false,
    says: 'The client spread one header over very many CONTINUATION frames.',
  },
  http2_frames: {
    status: 429,
    isRegistered: false,
    says: 'The client sent very many frames that are empty, malformed or of no use.',
  },
  session_limit: {
    status: 503,
    isRegistered: false,
    says: 'The listener has as many sessions open as it may have, and none of them is idle.',
  },
  session_evicted: {
    status: 503,
    isRegistered: false,
    says: 'The session was the one idle for longest when a new one needed its place.',
  },
  endpoint_lost: {
    status: 503,
    isRegistered: false,
    says: 'The endpoint of the session went down, was ejected, or is not in the pool any more.',
  },
  datagram_too_long: {
    status: 413,
    isRegistered: false,
    says: 'The datagram is longer than UDP carries, or would be with its PROXY header.',
  },
  send_backlog: {
    status: 503,
    isRegistered: false,
    says: 'As many datagrams waited to be sent as may wait.',
  },
  send_failed: { status: 502, isRegistered: false, says: 'The system did not take the datagram.' },
  idle_timeout: { status: 408, isRegistered: false, says: 'No byte went either way for the idle timeout.' },
  drained: {
    status: 503,
    isRegistered: false,
    says: 'The flow was ended because its route, endpoint or relay was taken out of use.',
  },
} as const satisfies Readonly<Record<string, ReasonMeaning>>

export type Reason = keyof typeof reasons
