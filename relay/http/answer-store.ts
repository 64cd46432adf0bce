// Stored answers of one thread, in memory: the least recently used go first when the budget is used up.

import { LRUCache } from 'lru-cache'
import type { Found } from '../../shared/cache/exchange.ts'
import type { StoredAnswer } from '../../shared/cache/stored.ts'
import { fits, selectingValues } from '../../shared/cache/vary.ts'
import type { HeaderFields } from '../../shared/http/header-fields.ts'

interface Entry {
  readonly stored: StoredAnswer
  readonly body: Buffer
}

/** Under a key: the answer, or by which request fields the answers are told apart and those that there are. */
type Slot =
  | { readonly is: 'answer'; readonly entry: Entry }
  | { readonly is: 'index'; readonly names: readonly string[]; readonly word: number }

export class AnswerStore {
  private readonly slots: LRUCache<string, Slot>
  private words = 0

  /** @param maxBytes of heads and bodies together; 0 stores nothing */
  constructor(maxBytes: number) {
    this.slots = new LRUCache({ maxSize: Math.max(1, maxBytes), sizeCalculation: sizeOf })
  }

  /** What all of it takes. */
  get bytes(): number {
    return this.slots.calculatedSize
  }

  get answers(): number {
    return this.slots.size
  }

  look(key: string, request: HeaderFields): Found<Buffer> | 'vary-miss' | undefined {
    const slot = this.slots.get(key)
    if (slot === undefined) return undefined
    const inner = slot.is === 'index' ? this.slots.get(divided(key, slot.names, slot.word, request)) : slot
    if (inner?.is !== 'answer' || !fits(inner.entry.stored.vary, request)) return 'vary-miss'
    const { stored, body } = inner.entry
    return { stored, bytes: body.length, body }
  }

  /** What an older index led to stays out of reach: the word of a new one is new. */
  keep(key: string, stored: StoredAnswer, body: Buffer, request: HeaderFields): void {
    const slot: Slot = { is: 'answer', entry: { stored, body } }
    if (stored.vary.length === 0) {
      this.slots.set(key, slot)
      return
    }
    const names = stored.vary.map(([name]) => name)
    const known = this.slots.get(key)
    const index: Extract<Slot, { is: 'index' }> =
      known?.is === 'index' && known.names.join() === names.join() ? known : { is: 'index', names, word: ++this.words }
    if (index !== known) this.slots.set(key, index)
    this.slots.set(divided(key, names, index.word, request), slot)
  }

  forget(key: string): void {
    this.slots.delete(key)
  }

  clear(): void {
    this.slots.clear()
  }
}

function divided(key: string, names: readonly string[], word: number, request: HeaderFields): string {
  return `${key}/${word}/${JSON.stringify(selectingValues(names, request).map(([, value]) => value))}`
}

/** About what it holds: the body, the fields, and what an object costs. */
function sizeOf(slot: Slot, key: string): number {
  if (slot.is === 'index') return key.length + perSlot
  const { stored, body } = slot.entry
  let bytes = key.length + perSlot + body.length
  for (const [name, value] of stored.fields) bytes += name.length + value.length + perField
  return bytes
}

const perSlot = 512
const perField = 64
