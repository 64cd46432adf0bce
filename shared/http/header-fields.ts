// The header fields of a message as the core sees them: what `Headers` of workerd and of undici give, and what the
// relay's http door wraps round its raw fields.

export interface HeaderFields {
  /** Repeated fields joined by `, `; null when absent. */
  get(name: string): string | null
  /** Replaces every field of that name. */
  set(name: string, value: string): void
  /** Adds one more; several `Set-Cookie` stay apart. */
  append(name: string, value: string): void
  delete(name: string): void
  keys(): Iterable<string>
}
