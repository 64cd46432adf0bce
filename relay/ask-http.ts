// A probe by HTTP: one GET, and whether its status and the beginning of its body are as they should be.

import { type IncomingMessage, request } from 'node:http'
import { type ClientHttp2Stream, connect } from 'node:http2'
import type { Socket } from 'node:net'
import type { ProbeConfig } from '../shared/config/parsed.ts'

/**
 * Undefined when the probe passed, else why it did not, in a few words.
 *
 * @param socket connected, TLS done; ending it is the caller's
 * @param isHttp2 nothing else is spoken there
 */
export function askHttp(
  socket: Socket,
  authority: string,
  isHttp2: boolean,
  probe: ProbeConfig,
): Promise<string | undefined> {
  return isHttp2 ? askHttp2(socket, authority, probe) : askHttp1(socket, authority, probe)
}

function askHttp1(socket: Socket, authority: string, probe: ProbeConfig): Promise<string | undefined> {
  return new Promise(resolve => {
    const question = request({
      createConnection: () => socket,
      path: probe.path,
      headers: { host: authority, ...said, connection: 'close' },
    })
    question.on('error', error => resolve(wordsOf(error)))
    question.on('response', response => resolve(judge(response.statusCode ?? 0, response, probe)))
    question.end()
  })
}

function askHttp2(socket: Socket, authority: string, probe: ProbeConfig): Promise<string | undefined> {
  return new Promise(resolve => {
    const session = connect(`http://${authority}`, { createConnection: () => socket, settings: { enablePush: false } })
    session.on('error', error => resolve(wordsOf(error)))
    session.on('close', () => resolve('closed the connection'))
    const scheme = 'encrypted' in socket ? 'https' : 'http'
    const stream = session.request({
      ':method': 'GET',
      ':scheme': scheme,
      ':path': probe.path,
      ':authority': authority,
      ...said,
    })
    stream.on('error', error => resolve(wordsOf(error)))
    stream.on('response', headers => resolve(judge(Number(headers[':status']), stream, probe)))
  })
}

function judge(
  status: number,
  answer: IncomingMessage | ClientHttp2Stream,
  probe: ProbeConfig,
): string | undefined | Promise<string | undefined> {
  const [lowest, highest] = probe.status
  if (status < lowest || status > highest) {
    return `status ${status}, not ${lowest === highest ? lowest : `${lowest} to ${highest}`}`
  }
  if (probe.body === undefined) return undefined
  const wanted = probe.body
  return new Promise(resolve => {
    let body = Buffer.alloc(0)
    const look = () => resolve(body.includes(wanted) ? undefined : 'the body does not hold the text')
    answer.on('data', chunk => {
      body = Buffer.concat([body, chunk as Buffer]).subarray(0, mostBody)
      if (body.length === mostBody || body.includes(wanted)) look()
    })
    answer.on('end', look)
    answer.on('error', error => resolve(wordsOf(error)))
  })
}

function wordsOf(error: NodeJS.ErrnoException): string {
  return error.code ?? error.message
}

const said = { 'user-agent': 'fourseven-probe', accept: '*/*' }
/** Where the text of a body match is looked for, as Cloudflare does: its first 10 KiB. */
const mostBody = 10 * 1024
