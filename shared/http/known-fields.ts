// Header fields whose names are known: what is not there need not be asked for or removed. In workerd each such question
// leaves JavaScript, and the rules on the way to an endpoint ask some thirty of them.

import type { HeaderFields } from './header-fields.ts'

export class KnownFields implements HeaderFields {
  private readonly fields: HeaderFields
  private readonly names: Set<string>

  /** @param names every name in `fields`, in lower case; kept in step from here on */
  constructor(fields: HeaderFields, names: Iterable<string>) {
    this.fields = fields
    this.names = new Set(names)
  }

  get(name: string): string | null {
    return this.names.has(name.toLowerCase()) ? this.fields.get(name) : null
  }

  set(name: string, value: string): void {
    this.names.add(name.toLowerCase())
    this.fields.set(name, value)
  }

  append(name: string, value: string): void {
    this.names.add(name.toLowerCase())
    this.fields.append(name, value)
  }

  delete(name: string): void {
    if (this.names.delete(name.toLowerCase())) this.fields.delete(name)
  }

  keys(): Iterable<string> {
    return this.names
  }
}
