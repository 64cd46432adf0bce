// The header edits of a rule as the machine reads them: plain data, so that a table can be cloned to a thread.

import type { HeaderEdits } from '../config/parsed.ts'
import { compileTemplate, type Template, type TemplateValues } from '../config/template.ts'

export interface CompiledEdits {
  readonly remove: readonly string[]
  readonly set: readonly (readonly [name: string, value: Template])[]
  readonly add: readonly (readonly [name: string, value: Template])[]
}

/** Undefined when there is nothing to do. */
export function compileEdits(edits: HeaderEdits): CompiledEdits | undefined {
  if (edits.remove.length === 0 && edits.set.length === 0 && edits.add.length === 0) return undefined
  return {
    remove: edits.remove,
    set: edits.set.map(([name, value]) => [name, compileTemplate(value)] as const),
    add: edits.add.map(([name, value]) => [name, compileTemplate(value)] as const),
  }
}

/** Whether one of the values holds a place for `value`. */
export function fillsIn(edits: CompiledEdits | undefined, value: keyof TemplateValues): boolean {
  if (edits === undefined) return false
  return [...edits.set, ...edits.add].some(
    ([, template]) =>
      typeof template !== 'string' && template.some(part => typeof part !== 'string' && part.value === value),
  )
}
