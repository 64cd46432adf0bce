// The examples of the `http` door: three tiers with one command, and gRPC services behind one port.

import { once } from 'node:events'
import { get } from 'node:http'
import { status } from '@grpc/grpc-js'
import { expect, onTestFinished, test } from 'vitest'
import { type Planes, startPlanes } from '../cli/planes.ts'
import grpcExample from '../examples/grpc/routes.ts'
import stackedExample from '../examples/stacked/routes.ts'
import type { ConfigInput } from '../shared/config/config.ts'
import { parse } from '../shared/config/parse.ts'
import { grpcClient, grpcServer, healthService } from './support/grpc.ts'
import { freePort } from './support/servers.ts'

test('stacked: every tier knows the client, who lies about it', async () => {
  const [a, b, worker] = [await freePort(), await freePort(), await freePort()]
  const text = JSON.stringify(stackedExample)
    .replaceAll('127.0.0.1:8081', `127.0.0.1:${a}`)
    .replaceAll('127.0.0.1:8082', `127.0.0.1:${b}`)
    .replaceAll('127.0.0.1:8080', '127.0.0.1:0')
  const planes = await started(JSON.parse(text), { WORKER: `http://127.0.0.1:${worker}` }, worker)
  const { port } = planes.listeners.get('front')!
  for (let i = 0; i < 4; i++) {
    const headers = { 'x-forwarded-for': '203.0.113.66' }
    const request = get({ host: '127.0.0.1', port, localAddress: '127.0.0.9', agent: false, headers })
    const [answer] = await once(request, 'response')
    answer.resume()
    expect(answer.headers).toMatchObject({ 'x-door-saw': '127.0.0.9', 'x-worker-saw': '127.0.0.9' })
  }
})

test('grpc: calls come to the rule of the service and method that they name', async () => {
  const server = await grpcServer({ check: healthy }, { service: healthService })
  const address = `h2c://127.0.0.1:${server.port}`
  const another = `h2c://localhost:${server.port}`
  const variables = { CART_A: address, CART_B: another, CATALOG: address, CATALOG_BETA: another }
  const config = JSON.parse(JSON.stringify(grpcExample).replace('127.0.0.1:50051', '127.0.0.1:0'))
  const records: object[] = []
  const planes = await started(config, variables, 0, record => records.push(record))
  const client = grpcClient(planes.listeners.get('calls')!.port)
  const same = (bytes: Buffer) => bytes
  // The server has none of these methods, and the relay no route for the last.
  for (const path of ['/shop.Cart/Add', '/shop.Catalog/GetItem', '/shop.Catalog/Put', '/shop.Other/Get']) {
    const code = await new Promise(resolve => {
      client.makeUnaryRequest(path, same, same, Buffer.of(), error => resolve(error?.code))
    })
    expect(code).toBe(status.UNIMPLEMENTED)
  }
  while (records.filter(isRequest).length < 4) await new Promise(later => setTimeout(later, 10))
  expect(records.filter(isRequest).map(record => [record.path, record.rule])).toEqual([
    ['/shop.Cart/Add', 'cart'],
    ['/shop.Catalog/GetItem', 'reads'],
    ['/shop.Catalog/Put', 'catalog'],
    ['/shop.Other/Get', null],
  ])
})

function isRequest(record: object): record is { readonly path: string; readonly rule: string | null } {
  return 'path' in record
}

/** `HealthCheckResponse { status: SERVING }` */
function healthy(_: unknown, answer: (error: null, message: Buffer) => void): void {
  answer(null, Buffer.of(0x08, 1))
}

async function started(
  config: ConfigInput,
  variables: Record<string, string>,
  edge = 0,
  onRecord: (record: object) => void = () => {},
): Promise<Planes> {
  const planes = await startPlanes(parse(config, { variables }).config, {
    variables,
    edge: { host: '127.0.0.1', port: edge },
    ports: 'as written',
    onRecord,
  })
  onTestFinished(planes.stop)
  return planes
}
