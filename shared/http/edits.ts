// Header edits applied, the same at every HTTP door.

import { render, type TemplateValues } from '../config/template.ts'
import type { CompiledEdits } from '../table/edits.ts'
import type { HeaderFields } from './header-fields.ts'

/**
 * Removes, then sets, then adds: removing and adding one name replaces it. A value that comes out empty is not written;
 * the field that was to be replaced goes all the same, so that a client cannot fill in what we do not know.
 */
export function applyEdits(fields: HeaderFields, edits: CompiledEdits, values: TemplateValues): void {
  for (const name of edits.remove) fields.delete(name)
  for (const [name, template] of edits.set) {
    const value = typeof template === 'string' ? template : render(template, values)
    if (value === '') fields.delete(name)
    else fields.set(name, value)
  }
  for (const [name, template] of edits.add) {
    const value = typeof template === 'string' ? template : render(template, values)
    if (value !== '') fields.append(name, value)
  }
}
