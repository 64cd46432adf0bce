// GRPCRoutes end to end: a real gRPC client and server, the imported routes between them.

import { Metadata, status } from '@grpc/grpc-js'
import { expect, test } from 'vitest'
import { failure, grpcClient, grpcServer, unary } from '../support/grpc.ts'
import { run } from './lab.ts'
import { gateway, http, route, service, to } from './manifests.ts'

/** A server that answers its name and the metadata `x-added`. */
async function server(name: string): Promise<string> {
  const { port } = await grpcServer({
    unary: (call: { metadata: Metadata }, done: (error: null, answer: Buffer) => void) =>
      done(null, Buffer.from(`${name} ${call.metadata.get('x-added')}`)),
  })
  return `127.0.0.1:${port}`
}

const services = [service('one'), service('two'), service('three')]
const method = (service: string | undefined, name: string | undefined, type = 'Exact') => ({
  method: { type, ...(service === undefined ? {} : { service }), ...(name === undefined ? {} : { method: name }) },
})

async function running(...rules: object[]) {
  const endpoints = {
    'default/one:8080': [await server('one')],
    'default/two:8080': [await server('two')],
    'default/three:8080': [await server('three')],
  }
  const { portOf } = await run([...services, gateway([http]), route('GRPCRoute', rules)], { endpoints })
  return grpcClient(portOf('web:http'))
}

test('calls are matched by service and method, the more characters the better', async () => {
  const client = await running(
    { matches: [method('fourseven.test.Calls', undefined)], backendRefs: [to('one')] },
    { matches: [method('fourseven.test.Calls', 'Unary')], backendRefs: [to('two')] },
  )
  expect((await unary(client, 'hello')).message).toBe('two ')
  const other = await running(
    { matches: [method('fourseven.test.Calls', 'Chat')], backendRefs: [to('two')] },
    { matches: [method('fourseven[.]test[.].*', 'U.*', 'RegularExpression')], backendRefs: [to('three')] },
    { backendRefs: [to('one')] },
  )
  expect((await unary(other, 'hello')).message).toBe('three ')
})

test('calls are matched by metadata, and nothing that matches is UNIMPLEMENTED', async () => {
  const client = await running({
    matches: [{ headers: [{ name: 'version', value: 'two' }] }],
    backendRefs: [to('two')],
  })
  const fields = new Metadata()
  fields.set('version', 'two')
  expect((await unary(client, 'hello', fields)).message).toBe('two ')
  expect((await failure(unary(client, 'hello'))).code).toBe(status.UNIMPLEMENTED)
})

test('metadata is edited on the way', async () => {
  const filters = [
    { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'x-added', value: 'yes' }] } },
  ]
  const client = await running({ filters, backendRefs: [to('one')] })
  expect((await unary(client, 'hello')).message).toBe('one yes')
})

test('calls are shared by weight, and the share of what is not there is UNAVAILABLE', async () => {
  const client = await running({ backendRefs: [to('one', { weight: 1 }), to('gone', { weight: 1 })] })
  let good = 0
  let bad = 0
  for (let i = 0; i < 80; i++) {
    const outcome = await unary(client, 'hello').catch((error: { code: number }) => error.code)
    if (outcome === status.UNAVAILABLE) bad += 1
    else if (typeof outcome !== 'number') good += 1
  }
  expect(good + bad).toBe(80)
  expect(Math.abs(good - 40)).toBeLessThan(23)
})
