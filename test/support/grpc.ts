// Real gRPC parties: a server and a client of @grpc/grpc-js whose messages are plain bytes, for all four kinds of calls.
// `grpc.health.v1.Health` is there too when asked for.

import {
  type CallOptions,
  type ChannelOptions,
  type Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  type requestCallback,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { onTestFinished } from 'vitest'

/** The methods of `fourseven.test.Calls`, one for each kind. */
export const calls = {
  unary: method('/fourseven.test.Calls/Unary', false, false),
  collect: method('/fourseven.test.Calls/Collect', true, false),
  list: method('/fourseven.test.Calls/List', false, true),
  chat: method('/fourseven.test.Calls/Chat', true, true),
} satisfies ServiceDefinition

export const healthService = { check: method('/grpc.health.v1.Health/Check', false, false) } satisfies ServiceDefinition

export interface GrpcServer {
  readonly port: number
  readonly server: Server
}

/** On a free port of 127.0.0.1, ended with the test. What is not implemented answers UNIMPLEMENTED. */
export async function grpcServer(
  implementation: UntypedServiceImplementation,
  options: {
    readonly service?: ServiceDefinition
    readonly port?: number
    readonly channel?: ChannelOptions
    readonly credentials?: ServerCredentials
  } = {},
): Promise<GrpcServer> {
  const server = new Server(options.channel)
  server.addService(options.service ?? calls, implementation)
  const secret = options.credentials ?? ServerCredentials.createInsecure()
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`, secret, (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  onTestFinished(() => server.forceShutdown())
  return { port, server }
}

/** A client of `fourseven.test.Calls`; it does not retry on its own unless told so. */
export function grpcClient(
  port: number,
  options: Partial<ClientOptions> = {},
  secret = credentials.createInsecure(),
): CallsClient {
  const Calls = makeGenericClientConstructor(calls, 'Calls')
  const client = new Calls(`127.0.0.1:${port}`, secret, { 'grpc.enable_retries': 0, ...options })
  onTestFinished(() => client.close())
  return client as unknown as CallsClient
}

export interface CallsClient extends Client {
  unary: (message: Buffer, fields: Metadata, options: CallOptions, done: requestCallback<Buffer>) => ClientUnaryCall
  collect: (fields: Metadata, options: CallOptions, done: requestCallback<Buffer>) => ClientWritableStream<Buffer>
  list: (message: Buffer, fields: Metadata, options: CallOptions) => ClientReadableStream<Buffer>
  chat: (fields: Metadata, options: CallOptions) => ClientDuplexStream<Buffer, Buffer>
}

export interface Answered {
  readonly message: string
  readonly header: Metadata
  readonly status: StatusObject
}

/** Rejects with the `ServiceError` when the status is not OK. */
export function unary(
  client: CallsClient,
  message: string,
  fields: Metadata = new Metadata(),
  options: CallOptions = {},
): Promise<Answered> {
  return new Promise((resolve, reject) => {
    let header = new Metadata()
    let answer: string | undefined
    const call = client.unary(Buffer.from(message), fields, options, (error, bytes) => {
      if (error === null) answer = String(bytes)
      else reject(error)
    })
    call.on('metadata', came => {
      header = came
    })
    call.on('status', status => {
      if (answer !== undefined) resolve({ message: answer, header, status })
    })
  })
}

/** All messages of a stream to the client; rejects with the `ServiceError` when its status is not OK. */
export async function messages(call: ClientReadableStream<Buffer>): Promise<string[]> {
  const all: string[] = []
  for await (const message of call) all.push(String(message))
  return all
}

/** What a call failed with; throws when it did not. */
export async function failure(call: Promise<unknown>): Promise<ServiceError> {
  try {
    await call
  } catch (error) {
    return error as ServiceError
  }
  throw new Error('the call was to fail and did not')
}

function method<const RequestStream extends boolean, const ResponseStream extends boolean>(
  path: string,
  requestStream: RequestStream,
  responseStream: ResponseStream,
): MethodDefinition<Buffer, Buffer> {
  const same = (bytes: Buffer) => bytes
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  }
}
