// Probes: how the endpoints of a pool are asked on a timer whether they are up.

import { type BytesInput, hexOf } from './bytes-text.ts'
import type { ProbeInput } from './config-pool.ts'
import { bounds, defaults } from './defaults.ts'
import { type Findings, type Place, show } from './findings.ts'
import type { ProbeConfig } from './parsed.ts'
import { pathProblem } from './path-text.ts'
import { readDuration } from './read-values.ts'
import { parseDuration } from './units.ts'

export function readProbe(input: ProbeInput | undefined, place: Place, findings: Findings): ProbeConfig | undefined {
  if (input === undefined) return undefined
  const { kind, path = defaults.probePath } = input
  if (kind !== 'http') {
    for (const field of ['path', 'status', 'body'] as const) {
      if (input[field] === undefined) continue
      const message = `${show(field)} is for probes of kind "http", and this one is ${show(kind)}`
      findings.error('probe-not-http', [...place, field], message, 'Leave it out, or write kind "http".')
    }
  }
  if (kind !== 'grpc' && input.service !== undefined) {
    const message = `"service" is for probes of kind "grpc", and this one is ${show(kind)}`
    findings.error('probe-not-grpc', [...place, 'service'], message, 'Leave it out, or write kind "grpc".')
  }
  if (kind !== 'udp') {
    for (const field of ['payload', 'expect'] as const) {
      if (input[field] === undefined) continue
      const message = `${show(field)} is for probes of kind "udp", and this one is ${show(kind)}`
      findings.error('probe-not-udp', [...place, field], message, 'Leave it out, or write kind "udp".')
    }
  } else if (input.payload === undefined) {
    const message = 'nothing says what the probe sends'
    const mend = 'Add "payload": a text, or { hex: "…" } or { base64: "…" }.'
    findings.error('missing-field', [...place, 'payload'], message, mend)
  }
  checkPath(path, [...place, 'path'], findings)
  return {
    kind,
    path,
    status: readStatus(input.status ?? defaults.probeStatus, [...place, 'status'], findings),
    body: input.body,
    service: input.service ?? '',
    payload: readBytes(input.payload, [...place, 'payload'], findings),
    expect: readBytes(input.expect, [...place, 'expect'], findings),
    intervalMs: readDuration(
      input.interval,
      defaults.probeInterval,
      bounds.probeIntervalMs,
      [...place, 'interval'],
      findings,
    ),
    timeoutMs: readDuration(
      input.timeout,
      defaults.probeTimeout,
      bounds.probeTimeoutMs,
      [...place, 'timeout'],
      findings,
    ),
    edge: {
      intervalMs: atEdge(input.interval, defaults.probeIntervalAtEdge),
      timeoutMs: atEdge(input.timeout, defaults.probeTimeoutAtEdge),
      regions: [...new Set(input.regions ?? [])],
    },
    fall: input.fall ?? defaults.fall,
    rise: input.rise ?? defaults.rise,
    startsDown: input.startDown ?? false,
  }
}

/** What is wrong with it is said of the relay's. An alarm does not ring more often than once a second. */
function atEdge(input: string | undefined, otherwise: string): number {
  return Math.max(parseDuration(input ?? otherwise) ?? 0, bounds.probeAtEdgeMs[0])
}

/** In hex; empty where nothing is written. */
function readBytes(input: BytesInput | undefined, place: Place, findings: Findings): string {
  const hex = hexOf(input ?? '')
  if (hex !== undefined && hex.length <= 2 * longestPayload) return hex
  if (hex !== undefined) {
    findings.error('bad-bytes', place, `it has ${hex.length / 2} bytes`, `Write at most ${longestPayload}.`)
  } else {
    const form = typeof input === 'object' && 'hex' in input ? 'hex' : 'base64'
    const mend = form === 'hex' ? 'Write pairs of 0-9 and a-f.' : 'Write the alphabet of RFC 4648, four at a time.'
    findings.error('bad-bytes', [...place, form], `it is not ${form}`, mend)
  }
  return ''
}

/** A path with an optional query, in the characters that may stand in a request line. */
function checkPath(text: string, place: Place, findings: Findings): void {
  const question = text.indexOf('?')
  const path = question === -1 ? text : text.slice(0, question)
  const query = question === -1 ? '' : text.slice(question)
  const problem = path === '' ? 'is empty' : pathProblem(path)
  if (problem === undefined && /^[\x21-\x7e]*$/.test(query)) return
  findings.error('bad-path', place, `${show(text)} ${problem ?? 'has a query that cannot be sent'}`, 'Write /healthz.')
}

function readStatus(input: number | string, place: Place, findings: Findings): readonly [number, number] {
  const parts = /^(\d{3})(?:-(\d{3}))?$/.exec(String(input))
  const lowest = Number(parts?.[1])
  const highest = Number(parts?.[2] ?? parts?.[1])
  const [min, max] = bounds.probeStatus
  if (lowest >= min && lowest <= highest && highest <= max) return [lowest, highest]
  findings.error('bad-status', place, `${show(input)} is not a status or a range of them`, 'Write 200 or "200-399".')
  return [min, max]
}

/** More than one Ethernet frame takes would be cut into fragments on its way. */
const longestPayload = 1_472
