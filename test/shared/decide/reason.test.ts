import { expect, test } from 'vitest'
import { reasons } from '../../../shared/decide/reason.ts'

/** RFC 9209 section 2.3: error types and their recommended status. http_request_error: "the applicable 4xx". */
const registered: Record<string, number> = {
  dns_timeout: 504,
  dns_error: 502,
  destination_not_found: 500,
  destination_unavailable: 503,
  destination_ip_unroutable: 502,
  connection_refused: 502,
  connection_terminated: 502,
  connection_timeout: 504,
  connection_limit_reached: 503,
  tls_protocol_error: 502,
  tls_certificate_error: 502,
  http_request_error: 400,
  http_request_denied: 403,
  http_response_incomplete: 502,
  http_response_timeout: 504,
  http_upgrade_failed: 502,
  http_protocol_error: 502,
  proxy_internal_response: 200,
  proxy_internal_error: 500,
  proxy_configuration_error: 500,
  proxy_loop_detected: 502,
}

test('registered reasons have the status that RFC 9209 recommends, but for two', () => {
  const differing: string[] = []
  for (const [word, { isRegistered, status }] of Object.entries(reasons)) {
    expect(isRegistered, word).toBe(word in registered)
    if (isRegistered && registered[word] !== status) differing.push(`${word} ${status}`)
  }
  expect(differing).toEqual(['destination_not_found 404', 'proxy_loop_detected 508'])
})

test('every reason is explained in one sentence', () => {
  for (const { says } of Object.values(reasons)) expect(says).toMatch(/^[A-Z][^.]*\.$/)
})
