// The shapes of HTTPRoutes and GRPCRoutes.

import * as z from 'zod'
import { backendObjectRef, backendRef, commonRoute, name, objectOf, port, sessionPersistence } from './words.ts'

const header = z.strictObject({ name, value: z.string() })
const headerModifier = z.strictObject({
  set: z.array(header).exactOptional(),
  add: z.array(header).exactOptional(),
  remove: z.array(z.string()).exactOptional(),
})
export type HeaderModifier = z.output<typeof headerModifier>

const pathModifier = z.strictObject({
  type: z.enum(['ReplaceFullPath', 'ReplacePrefixMatch']),
  replaceFullPath: z.string().exactOptional(),
  replacePrefixMatch: z.string().exactOptional(),
})
export type PathModifier = z.output<typeof pathModifier>

const mirror = z.strictObject({
  backendRef: backendObjectRef,
  percent: z.number().int().min(0).max(100).exactOptional(),
  fraction: z
    .strictObject({ numerator: z.number().int().min(0), denominator: z.number().int().min(1).exactOptional() })
    .exactOptional(),
})
export type Mirror = z.output<typeof mirror>

const redirect = z.strictObject({
  scheme: z.enum(['http', 'https']).exactOptional(),
  hostname: z.string().exactOptional(),
  path: pathModifier.exactOptional(),
  port: port.exactOptional(),
  statusCode: z.literal([301, 302, 303, 307, 308]).exactOptional(),
})
export type Redirect = z.output<typeof redirect>

const rewrite = z.strictObject({ hostname: z.string().exactOptional(), path: pathModifier.exactOptional() })
export type Rewrite = z.output<typeof rewrite>

const cors = z.strictObject({
  allowOrigins: z.array(z.string()).exactOptional(),
  allowMethods: z.array(z.string()).exactOptional(),
  allowHeaders: z.array(z.string()).exactOptional(),
  exposeHeaders: z.array(z.string()).exactOptional(),
  allowCredentials: z.boolean().exactOptional(),
  maxAge: z.number().int().min(1).exactOptional(),
})
export type Cors = z.output<typeof cors>

export const filter = z.strictObject({
  type: z.string(),
  requestHeaderModifier: headerModifier.exactOptional(),
  responseHeaderModifier: headerModifier.exactOptional(),
  requestMirror: mirror.exactOptional(),
  requestRedirect: redirect.exactOptional(),
  urlRewrite: rewrite.exactOptional(),
  cors: cors.exactOptional(),
  externalAuth: z.unknown().exactOptional(),
  extensionRef: z.strictObject({ group: z.string(), kind: z.string(), name }).exactOptional(),
})
export type Filter = z.output<typeof filter>

const valueMatch = z.strictObject({
  type: z.enum(['Exact', 'RegularExpression']).exactOptional(),
  name,
  value: z.string(),
})
export type ValueMatch = z.output<typeof valueMatch>

const httpMatch = z.strictObject({
  path: z
    .strictObject({
      type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).exactOptional(),
      value: z.string().exactOptional(),
    })
    .exactOptional(),
  headers: z.array(valueMatch).exactOptional(),
  queryParams: z.array(valueMatch).exactOptional(),
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']).exactOptional(),
})
export type HttpMatch = z.output<typeof httpMatch>

const grpcMatch = z.strictObject({
  method: z
    .strictObject({
      type: z.enum(['Exact', 'RegularExpression']).exactOptional(),
      service: z.string().exactOptional(),
      method: z.string().exactOptional(),
    })
    .exactOptional(),
  headers: z.array(valueMatch).exactOptional(),
})
export type GrpcMatch = z.output<typeof grpcMatch>

const httpBackendRef = z.strictObject({ ...backendRef.shape, filters: z.array(filter).exactOptional() })
export type HttpBackendRef = z.output<typeof httpBackendRef>

const commonRule = {
  name: z.string().exactOptional(),
  filters: z.array(filter).exactOptional(),
  backendRefs: z.array(httpBackendRef).exactOptional(),
  sessionPersistence: sessionPersistence.exactOptional(),
}

const httpRule = z.strictObject({
  ...commonRule,
  matches: z.array(httpMatch).exactOptional(),
  timeouts: z
    .strictObject({ request: z.string().exactOptional(), backendRequest: z.string().exactOptional() })
    .exactOptional(),
  retry: z
    .strictObject({
      codes: z.array(z.number().int().min(400).max(599)).exactOptional(),
      attempts: z.number().int().min(1).exactOptional(),
      backoff: z.string().exactOptional(),
    })
    .exactOptional(),
})
export type HttpRule = z.output<typeof httpRule>

const grpcRule = z.strictObject({ ...commonRule, matches: z.array(grpcMatch).exactOptional() })
export type GrpcRule = z.output<typeof grpcRule>

const hostnames = { hostnames: z.array(z.string()).exactOptional() }
export const httpRouteShape = objectOf(
  z.strictObject({ ...commonRoute, ...hostnames, rules: z.array(httpRule).exactOptional() }),
)
export const grpcRouteShape = objectOf(
  z.strictObject({ ...commonRoute, ...hostnames, rules: z.array(grpcRule).exactOptional() }),
)
