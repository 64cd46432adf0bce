// The plain HTTP proxy that everyone writes first: every request goes to the one endpoint, nothing is looked at and no
// header is changed. Arguments: `h1` or `grpc`, its port, the endpoint's port.

import { Agent, request as ask, createServer } from 'node:http'
import { connect, createServer as createHttp2, sensitiveHeaders } from 'node:http2'

const [kind, port, endpoint] = process.argv.slice(2)

if (kind === 'h1') {
  const agent = new Agent({ keepAlive: true })
  const server = createServer({ keepAliveTimeout: 600_000 }, (request, answer) => {
    const { method = 'GET', url = '/', headers } = request
    const other = ask({ host: '127.0.0.1', port: Number(endpoint), method, path: url, headers, agent }, from => {
      answer.writeHead(from.statusCode!, from.headers)
      from.pipe(answer)
    })
    other.on('error', () => answer.destroy())
    request.pipe(other)
  })
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 })
} else {
  const session = connect(`http://127.0.0.1:${endpoint}`)
  const server = createHttp2({ settings: { maxConcurrentStreams: 100_000 } })
  server.on('stream', (stream, headers) => {
    const other = session.request(plain(headers))
    other.on('response', fields => stream.respond(plain(fields), { waitForTrailers: true }))
    let last = {}
    other.on('trailers', trailers => {
      last = plain(trailers)
    })
    stream.on('wantTrailers', () => stream.sendTrailers(last))
    stream.on('error', () => other.destroy())
    other.on('error', () => stream.destroy())
    other.pipe(stream)
    stream.pipe(other)
  })
  server.listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 })
}

/** Node's own mark on headers that came in is not taken back. */
function plain<Headers extends object>(headers: Headers): Headers {
  const { [sensitiveHeaders as never]: _, ...rest } = headers
  return rest as Headers
}
