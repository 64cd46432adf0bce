// Manifests for tests, short to write: what is not said is the plainest there is.

import { stringify } from 'yaml'
import { type Imported, type ImportOptions, importGatewayApi } from '../../shared/gateway-api/import.ts'

export const API = 'gateway.networking.k8s.io/v1'

/** Objects as one file of several documents. */
export function file(...objects: readonly object[]): string {
  return objects.map(object => stringify(object)).join('---\n')
}

export function gateway(listeners: readonly object[], more: object = {}, metadata: object = {}): object {
  return {
    apiVersion: API,
    kind: 'Gateway',
    metadata: { name: 'web', ...metadata },
    spec: { gatewayClassName: 'any', listeners, ...more },
  }
}

export const http = { name: 'http', port: 80, protocol: 'HTTP' }

/** @param rules of the route; one object is the only rule */
export function httpRoute(rules: object | readonly object[], spec: object = {}, metadata: object = {}): object {
  return route('HTTPRoute', rules, spec, metadata)
}

export function route(
  kind: string,
  rules: object | readonly object[],
  spec: object = {},
  metadata: object = {},
): object {
  return {
    apiVersion: API,
    kind,
    metadata: { name: 'app', ...metadata },
    spec: { parentRefs: [{ name: 'web' }], ...spec, rules: Array.isArray(rules) ? rules : [rules] },
  }
}

export function service(name: string, namespace = 'default', port: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { ports: [{ port: 8080, ...port }] },
  }
}

export function grant(namespace: string, from: { kind: string; namespace: string }, to: object = { kind: 'Service' }) {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1beta1',
    kind: 'ReferenceGrant',
    metadata: { name: 'let', namespace },
    spec: { from: [{ group: 'gateway.networking.k8s.io', ...from }], to: [{ group: '', ...to }] },
  }
}

export const to = (name: string, more: object = {}) => ({ name, port: 8080, ...more })

export const options: ImportOptions = {
  where: { endpoints: new Map(), resolve: '{service}.{namespace}.test:{port}', isMapWhole: false },
  certificates: { folder: 'certs', files: new Set() },
  isEdge: true,
  listen: new Map(),
}

/** Imports one file; at the edge unless said otherwise. */
export function imported(text: string, change: Partial<ImportOptions> = {}): Imported {
  return importGatewayApi([{ name: 'file.yaml', text }], { ...options, ...change })
}

/** `line code` of each note that is no `ignored` one. */
export function said({ notes }: Imported): string[] {
  return notes
    .filter(({ severity, code }) => severity !== 'ignored' && code !== 'edge-host')
    .map(({ severity, line, code }) => `${severity} ${line} ${code}`)
}
