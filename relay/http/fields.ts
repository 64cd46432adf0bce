// The header fields of one message as a flat list: few, in order, and asked by name many times. Names are compared as
// lower-case strings that stand once in memory, so that most comparisons are of pointers.

import type { HeaderFields } from '../../shared/http/header-fields.ts'

export class Fields implements HeaderFields {
  /** Lower case. */
  readonly names: string[] = []
  /** The same as they were written. */
  readonly written: string[] = []
  readonly values: string[] = []

  /** @param name lower case */
  get(name: string): string | null {
    const { names, values } = this
    let found: string | null = null
    for (let at = 0; at < names.length; at++) {
      if (names[at] === name) found = found === null ? values[at]! : `${found}, ${values[at]}`
    }
    return found
  }

  has(name: string): boolean {
    return this.names.includes(name)
  }

  set(name: string, value: string): void {
    const lower = lowerOf(name)
    const at = this.names.indexOf(lower)
    if (at === -1) {
      this.add(lower, name, value)
      return
    }
    this.values[at] = value
    if (this.names.indexOf(lower, at + 1) !== -1) this.removeFrom(lower, at + 1)
  }

  append(name: string, value: string): void {
    this.add(lowerOf(name), name, value)
  }

  delete(name: string): void {
    const lower = lowerOf(name)
    const at = this.names.indexOf(lower)
    if (at !== -1) this.removeFrom(lower, at)
  }

  keys(): readonly string[] {
    return this.names
  }

  forEach(visit: (value: string, name: string) => void): void {
    for (let at = 0; at < this.names.length; at++) visit(this.values[at]!, this.names[at]!)
  }

  copy(): Fields {
    const copied = new Fields()
    for (let at = 0; at < this.names.length; at++) copied.add(this.names[at]!, this.written[at]!, this.values[at]!)
    return copied
  }

  add(lower: string, written: string, value: string): void {
    this.names.push(lower)
    this.written.push(written)
    this.values.push(value)
  }

  private removeFrom(lower: string, from: number): void {
    const { names, written, values } = this
    let kept = from
    for (let at = from; at < names.length; at++) {
      if (names[at] === lower) continue
      names[kept] = names[at]!
      written[kept] = written[at]!
      values[kept] = values[at]!
      kept += 1
    }
    names.length = kept
    written.length = kept
    values.length = kept
  }
}

/**
 * The lower-case form of a name; undefined when it is no token (RFC 9110 section 5.6.2). Names that came before are looked
 * up, so that the rule is asked once for each spelling.
 */
export function tokenOf(written: string): string | undefined {
  const known = spellings.get(written)
  if (known !== undefined) return known
  if (!isToken.test(written)) return undefined
  const lower = written.toLowerCase()
  if (spellings.size < mostSpellings && written.length <= longestKept) {
    // A slice of a header block would keep the whole block alive.
    spellings.set(Buffer.from(written, 'latin1').toString('latin1'), lower)
  }
  return lower
}

function lowerOf(name: string): string {
  return spellings.get(name) ?? name.toLowerCase()
}

const isToken = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const spellings = new Map<string, string>()
/** A client that makes names up fills no memory. */
const mostSpellings = 4_096
const longestKept = 64
