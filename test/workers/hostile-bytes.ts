// Bytes of requests, and what a hostile one is: the words of the lists beside this file.

/**
 * - `gets`: the statuses of the answers in order, `400 w` when workerd gave it without asking us, `400 e` when the endpoint
 *   gave it. `closed` when the connection ends without an answer. `waits` when workerd wants more bytes, and the status that
 *   is recorded once the client goes away.
 * - `sees`: the whole requests that reached the endpoint: method, target, and the body where there is one.
 */
export type Shape = readonly [it: string, send: string, gets: string, ...sees: string[]]

export const CHUNKED = 'Transfer-Encoding: chunked'

export function line(first: string): string {
  return `${first}\r\nHost: app.test\r\n\r\n`
}

export function get(target: string, ...fields: string[]): string {
  return `GET ${target} HTTP/1.1\r\nHost: app.test\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`
}

export function post(body: string, ...fields: string[]): string {
  return `POST /s HTTP/1.1\r\nHost: app.test\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n${body}`
}

export function host(value: string): string {
  return `GET /s HTTP/1.1\r\nHost: ${value}\r\n\r\n`
}

/** A request that must never be taken for one. */
export function hidden(): string {
  return 'GET /evil HTTP/1.1\r\nHost: app.test\r\n\r\n'
}

export function hex(text: string): string {
  return text.length.toString(16)
}

export function chunks(text: string): string {
  return `${hex(text)}\r\n${text}\r\n0\r\n\r\n`
}

export function many(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `X-Ok-${at}: 1`)
}

/** The fields of a WebSocket handshake. */
export function websocket(version: number): string[] {
  return [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Sec-WebSocket-Version: ${version}`,
  ]
}
