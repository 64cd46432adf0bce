// Files of Kubernetes manifests as a list of objects, each with where it stands: several documents a file, Lists opened.

import { ConfigError } from '../config/problem.ts'
import { readDocuments, type TextDocument } from '../config/yaml-document.ts'
import { type Notes, type Spot, within } from './notes.ts'

export interface ManifestFile {
  /** As messages name it. */
  readonly name: string
  readonly text: string
}

export interface Manifest {
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** `metadata.creationTimestamp` as written; empty when there is none. */
  readonly createdAt: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** The whole object without nulls, which Kubernetes takes for absent. */
  readonly raw: Readonly<Record<string, unknown>>
  /** Of the object itself. */
  readonly spot: Spot
}

/** Every object of the files, in the order in which they stand there. What is no object at all is an error. */
export function readManifests(files: readonly ManifestFile[], notes: Notes): readonly Manifest[] {
  return files.flatMap(file => {
    return readFile(file, notes).flatMap(document => {
      const spot: Spot = { file: file.name, object: '', root: [], place: [], locate: document.locate }
      for (const fault of document.faults) {
        const at: Spot = { ...spot, locate: () => ({ line: fault.line ?? 1, column: fault.column ?? 1 }) }
        notes.add('error', fault.code, at, fault.message, fault.mend)
      }
      // `---` at the end of a file begins a document with nothing in it.
      return document.plain === null ? [] : readObject(withoutNulls(document.plain, 0), spot, notes)
    })
  })
}

function readFile(file: ManifestFile, notes: Notes): readonly TextDocument[] {
  try {
    return readDocuments(file.text)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const { code, message, mend, line, column } of error.problems) {
      const locate = () => (line === undefined ? undefined : { line, column: column ?? 1 })
      notes.add('error', code, { file: file.name, object: '', root: [], place: [], locate }, message, mend)
    }
    return []
  }
}

function readObject(value: unknown, spot: Spot, notes: Notes): Manifest[] {
  const { apiVersion, kind, metadata, items } = isRecord(value) ? value : {}
  if (!isRecord(value) || typeof kind !== 'string' || kind === '' || typeof apiVersion !== 'string') {
    const missing = !isRecord(value)
      ? 'this is not an object'
      : `"${typeof kind === 'string' ? 'apiVersion' : 'kind'}" is missing`
    notes.add('error', 'no-manifest', spot, `${missing}: every manifest has apiVersion and kind`, MEND)
    return []
  }
  if (kind.endsWith('List') && Array.isArray(items)) {
    const { root, place } = spot
    return items.flatMap((item, index) =>
      readObject(item, { ...spot, root: [...root, ...place, 'items', index] }, notes),
    )
  }
  const meta = isRecord(metadata) ? metadata : {}
  const name = meta['name']
  if (typeof name !== 'string' || name === '') {
    notes.add(
      'error',
      'no-name',
      within({ ...spot, object: kind }, 'metadata'),
      '"metadata.name" is missing',
      'Add it.',
    )
    return []
  }
  const slash = apiVersion.indexOf('/')
  const written = typeof meta['namespace'] === 'string' && meta['namespace'] !== '' ? meta['namespace'] : 'default'
  const namespace = clusterWide.has(kind) ? '' : written
  return [
    {
      group: slash === -1 ? '' : apiVersion.slice(0, slash),
      version: apiVersion.slice(slash + 1),
      kind,
      namespace,
      name,
      createdAt: typeof meta['creationTimestamp'] === 'string' ? meta['creationTimestamp'] : '',
      labels: readTexts(meta['labels']),
      annotations: readTexts(meta['annotations']),
      raw: value,
      spot: { ...spot, object: `${kind} ${namespace === '' ? name : `${namespace}/${name}`}` },
    },
  ]
}

function readTexts(value: unknown): Readonly<Record<string, string>> {
  const texts: Record<string, string> = Object.create(null)
  if (isRecord(value)) for (const [key, text] of Object.entries(value)) texts[key] = String(text)
  return texts
}

/** A copy on objects without prototype. What is deeper than any manifest is cut off, and then missing where it is read. */
function withoutNulls(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value ?? undefined
  if (depth > DEEPEST) return undefined
  if (Array.isArray(value)) return value.map(item => withoutNulls(item, depth + 1))
  const copy: Record<string, unknown> = Object.create(null)
  for (const [key, item] of Object.entries(value)) {
    const plain = withoutNulls(item, depth + 1)
    if (plain !== undefined && key !== '__proto__') copy[key] = plain
  }
  return copy
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const MEND = 'Write Kubernetes manifests, as `kubectl get … -o yaml` gives them.'
const clusterWide: ReadonlySet<string> = new Set(['Namespace', 'GatewayClass'])
/** A List of routes is some fifteen levels deep. */
const DEEPEST = 40
