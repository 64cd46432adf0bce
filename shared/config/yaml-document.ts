// YAML 1.2 (core schema) or JSON as text: plain data, what is wrong with it, and where each thing in it stands.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  parseDocument,
  stringify,
  type YAMLError,
} from 'yaml'
import { type Locate, type Place, show } from './findings.ts'
import { ConfigError, type Problem } from './problem.ts'

export interface TextDocument {
  readonly plain: unknown
  /** Keys that stand twice; the first of them counts. Everything else that is wrong is thrown. */
  readonly faults: readonly Problem[]
  readonly locate: Locate
}

/**
 * A text of one document. Unknown tags and a second document are errors; aliases are followed, up to 100 copies of a node
 * ("billion laughs").
 * @throws ConfigError
 */
export function readDocument(text: string): TextDocument {
  return readWith(text, options => [parseDocument(text, options)])[0]!
}

/**
 * The same for a text of several documents, as `---` parts them. Empty ones are left out.
 * @throws ConfigError
 */
export function readDocuments(text: string): readonly TextDocument[] {
  return readWith(text, options => {
    const documents = parseAllDocuments(text, options)
    return Array.isArray(documents) ? documents.filter(document => document.contents !== null) : []
  })
}

/** Plain data as YAML 1.2 that `readDocument` gives back as it was: long texts stay on one line, nothing is an alias. */
export function writeYaml(value: unknown): string {
  return stringify(value, { version: '1.2', schema: 'core', lineWidth: 0, aliasDuplicateObjects: false })
}

function readWith(text: string, read: (options: Options) => readonly Document.Parsed[]): readonly TextDocument[] {
  if (text.length > LONGEST) throw unreadable(`the text is longer than ${LONGEST} characters`, 'Split it up.')
  const lines = new LineCounter()
  const documents = readWithinStack(() =>
    read({ lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: '1.2', schema: 'core' }),
  )
  const faultsOf = (document: Document.Parsed) =>
    [...document.errors, ...document.warnings].slice(0, MOST_FAULTS).map(fault => describeFault(fault, text, lines))
  const faults = documents.flatMap(faultsOf)
  if (faults.some(fault => fault.code !== 'duplicate-key')) throw new ConfigError(faults.slice(0, MOST_FAULTS))
  return documents.map(document => ({
    plain: toPlain(document),
    faults: faultsOf(document),
    locate: place => spotOf(document, place, lines),
  }))
}

/** The parser goes down some calls for each level: text nested beyond all measure ends in its stack, which is seen here. */
function readWithinStack(read: () => readonly Document.Parsed[]): readonly Document.Parsed[] {
  try {
    const documents = read()
    // An overflow inside the parser comes out as an error among others, in the engine's words.
    const isOverflow = ({ message }: YAMLError) => /call stack|recursion/i.test(message)
    if (!documents.some(({ errors }) => errors.some(isOverflow))) return documents
  } catch {}
  throw unreadable('the text is nested too deeply to be read', 'Nothing that is read here is deeper than some levels.')
}

function toPlain(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch {
    throw unreadable('the aliases (*name) in the text cannot be followed', 'Write out what they stand for.')
  }
}

function unreadable(message: string, mend: string): ConfigError {
  return new ConfigError([{ severity: 'error', code: 'bad-syntax', path: '', message, mend }])
}

function describeFault(fault: YAMLError, text: string, lines: LineCounter): Problem {
  const { line, col } = lines.linePos(fault.pos[0])
  const where = { severity: 'error', path: '', line, column: col } as const
  if (fault.code === 'DUPLICATE_KEY') {
    const key = /^["']?([^"':\r\n]{1,100})/.exec(text.slice(fault.pos[0], fault.pos[0] + 120))?.[1]?.trim() ?? ''
    return {
      ...where,
      code: 'duplicate-key',
      message: `the key ${show(key)} stands here a second time`,
      mend: 'Write each key once.',
    }
  }
  const [said] = fault.message.split('\n')
  return { ...where, code: 'bad-syntax', message: `this cannot be read: ${said}`, mend: 'Write YAML 1.2 or JSON.' }
}

/** The key of a field, or an item of a list; what is missing is at the nearest thing around it that is there. */
function spotOf(
  document: Document.Parsed,
  place: Place,
  lines: LineCounter,
): { line: number; column: number } | undefined {
  let node: unknown = document.contents
  let offset = startOf(node)
  for (const step of place) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === step)
      if (pair === undefined) break
      offset = startOf(pair.key) ?? offset
      node = pair.value
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step]
      offset = startOf(node) ?? offset
    } else break
  }
  if (offset === undefined) return undefined
  const { line, col } = lines.linePos(offset)
  return { line, column: col }
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0]
}

type Options = NonNullable<Parameters<typeof parseDocument>[1]>

/** Ten thousand routes of a hundred words are some six million characters. */
const LONGEST = 8_000_000
/** One slip of indentation makes many: the first ones are those to mend. */
const MOST_FAULTS = 20
