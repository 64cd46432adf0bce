// The endpoint behind every HTTP proxy of a bench, in a process of its own with a port for each of them, so that it can tell
// what came through which. Arguments: `h1` or `grpc`, and how many ports. It gives back the body that came.

import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'

const [kind, count] = process.argv.slice(2)
const requests = Array.from({ length: Number(count) }, () => 0)

function http(at: number): Server {
  const server = createHttp({ keepAliveTimeout: 600_000 }, (request, answer) => {
    requests[at]! += 1
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      answer.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': body.length })
      answer.end(body)
    })
  })
  server.maxRequestsPerSocket = 0
  return server
}

/** A call is answered when its client has ended it; until then it has the header of its answer. */
function grpc(at: number): Server {
  return createHttp2({ settings: { maxConcurrentStreams: 100_000 } }, undefined).on('stream', stream => {
    requests[at]! += 1
    stream.on('error', () => {})
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('data', chunk => stream.write(chunk))
    stream.on('end', () => stream.end())
  })
}

const ports: number[] = []
for (const at of requests.keys()) {
  const server = kind === 'h1' ? http(at) : grpc(at)
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  ports.push((server.address() as AddressInfo).port)
}
process.on('message', () => process.send!(requests))
process.on('disconnect', () => process.exit())
process.send!(ports)
