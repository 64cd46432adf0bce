// A config as text, in YAML or JSON (which is YAML too): every problem with its line and column.

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from 'yaml'
import type { Variables } from './endpoint-address.ts'
import { type Locate, type Place, show } from './findings.ts'
import { type Parsed, parse } from './parse.ts'
import { ConfigError, type Problem } from './problem.ts'

/**
 * Reads YAML 1.2 (core schema) or JSON and then as `parse` does. Keys that stand twice, unknown tags and a second
 * document are errors; aliases are followed, up to 100 copies of a node ("billion laughs"). `locate` places what is found
 * wrong later.
 * @throws ConfigError with every problem found. Nothing else, on any text.
 */
export function parseText(text: string, variables?: Variables): Parsed & { readonly locate: Locate } {
  if (text.length > LONGEST) throw unreadable(`the text is longer than ${LONGEST} characters`, 'Split the config up.')
  const lines = new LineCounter()
  const document = readDocument(text, lines)
  const faults = [...document.errors, ...document.warnings]
    .slice(0, MOST_FAULTS)
    .map(fault => describeFault(fault, text, lines))
  if (faults.some(fault => fault.code !== 'duplicate-key')) throw new ConfigError(faults)

  const plain = toPlain(document)
  const locate = (place: Place) => spotOf(document, place, lines)
  try {
    const result = parse(plain, variables === undefined ? { locate } : { locate, variables })
    if (faults.length > 0) throw new ConfigError(result.warnings)
    return { ...result, locate }
  } catch (error) {
    throw error instanceof ConfigError && faults.length > 0 ? new ConfigError([...faults, ...error.problems]) : error
  }
}

/** The parser goes down some calls for each level: text nested beyond all measure ends in its stack, which is seen here. */
function readDocument(text: string, lines: LineCounter): Document.Parsed {
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: '1.2', schema: 'core' } as const
  try {
    const document = parseDocument(text, options)
    // An overflow inside the parser comes out as an error among others, in the engine's words.
    if (!document.errors.some(({ message }) => /call stack|recursion/i.test(message))) return document
  } catch {}
  throw unreadable('the text is nested too deeply to be read', 'No field of a config is deeper than ten levels.')
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

/** Ten thousand routes of a hundred words are some six million characters. */
const LONGEST = 8_000_000
/** One slip of indentation makes many: the first ones are those to mend. */
const MOST_FAULTS = 20
