// The client of the HTTP bench for all that is no closed loop: it compares answers byte by byte, paces requests on a clock
// for the latency, and holds streams open. Each gives its answer when every request got a good one, and throws otherwise.

import { Agent, request as ask } from 'node:http'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import type { Kind } from './http-sides.ts'

/** One gRPC message of 100 bytes, and the body of the HTTP/1.1 requests. */
export const BODY = Buffer.concat([Buffer.from([0, 0, 0, 0, 100]), Buffer.alloc(100, 'a message of a call ')])

export interface Lanes {
  /** One request; resolves when its whole answer is there and is what was sent. */
  readonly send: () => Promise<void>
  readonly close: () => void
}

/** Connections that stay open: as many as requests are at once for `h1`, this many for `grpc`. */
export function openLanes(kind: Kind, port: number, connections: number): Lanes {
  if (kind === 'h1') {
    const agent = new Agent({ keepAlive: true })
    return { send: () => sendHttp(agent, port), close: () => agent.destroy() }
  }
  const sessions = Array.from({ length: connections }, () => connect(`http://127.0.0.1:${port}`))
  let turn = 0
  return {
    send: () => sendCall(sessions[turn++ % sessions.length]!),
    close: () => {
      for (const session of sessions) session.destroy()
    },
  }
}

/** Closed loop: how many a second come back, with 64 at once. */
export async function mostPerSecond(lanes: Lanes, count: number): Promise<number> {
  const start = performance.now()
  let left = count
  const next = async () => {
    while (left-- > 0) await lanes.send()
  }
  await Promise.all(Array.from({ length: 64 }, next))
  return (count / (performance.now() - start)) * 1000
}

/** Open loop on a grid of a millisecond: what is due goes out, whether or not others are back. Gives p99 in milliseconds. */
export async function pace(lanes: Lanes, perSecond: number, seconds: number): Promise<number> {
  const latencies: number[] = []
  const calls: Promise<void>[] = []
  const start = performance.now()
  const steps = seconds * 1000
  for (let step = 0; step < steps; ) {
    const now = performance.now() - start
    for (; step <= now && step < steps; step++) {
      const due = Math.floor((perSecond * (step + 1)) / 1000)
      // From the point of the grid, so that being late counts too.
      const since = start + step
      while (calls.length < due) calls.push(lanes.send().then(() => void latencies.push(performance.now() - since)))
    }
    await new Promise(later => setTimeout(later, 1))
  }
  await Promise.all(calls)
  latencies.sort((a, b) => a - b)
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * 0.99))]!
}

/** Calls that have the header of their answer and stay open. */
export async function hold(port: number, connections: number, streams: number): Promise<() => void> {
  const sessions = Array.from({ length: connections }, () => connect(`http://127.0.0.1:${port}`))
  await Promise.all(
    sessions.flatMap(session =>
      Array.from({ length: streams / connections }, () => {
        const stream = session.request(CALL)
        stream.on('error', () => {})
        stream.write(BODY)
        return new Promise<void>((resolve, reject) => {
          stream.once('data', () => resolve())
          stream.once('close', () => reject(new Error('a stream was closed that was to stay open')))
        })
      }),
    ),
  )
  return () => {
    for (const session of sessions) session.destroy()
  }
}

function sendHttp(agent: Agent, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': BODY.length }
    const request = ask({ host: '127.0.0.1', port, method: 'POST', path: '/bench.Echo/Unary', headers, agent })
    request.on('error', reject)
    request.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () => settle(response.statusCode === 200, Buffer.concat(chunks), resolve, reject))
      response.on('error', reject)
    })
    request.end(BODY)
  })
}

function sendCall(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream: ClientHttp2Stream = session.request(CALL)
    const chunks: Buffer[] = []
    let isOk = false
    stream.on('trailers', trailers => {
      isOk = trailers['grpc-status'] === '0'
    })
    stream.on('data', chunk => chunks.push(chunk))
    stream.on('end', () => settle(isOk, Buffer.concat(chunks), resolve, reject))
    stream.on('error', reject)
    stream.end(BODY)
  })
}

function settle(isOk: boolean, body: Buffer, resolve: () => void, reject: (error: Error) => void): void {
  if (isOk && body.equals(BODY)) resolve()
  else reject(new Error(isOk ? 'another body came back' : 'an answer that is no success'))
}

const CALL = { ':method': 'POST', ':path': '/bench.Echo/Unary', 'content-type': 'application/grpc', te: 'trailers' }
