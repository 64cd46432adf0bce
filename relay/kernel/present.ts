// What of ours the kernel has, read from `nft -j -t list ruleset`: names for the next transaction, counters, and a form by
// which a change from outside shows.

import { tableName } from './names.ts'
import type { PresentTable } from './render.ts'
import type { Run } from './run.ts'

export interface Seen {
  readonly tables: ReadonlyMap<'inet' | 'netdev', PresentTable>
  /** By `family name`. */
  readonly counters: ReadonlyMap<string, { readonly packets: number; readonly bytes: number }>
  /** The same as long as nobody adds, replaces or removes a table, chain, rule or map. */
  readonly form: string
}

/** What has to be known of an entry; nft says more. */
interface Entry {
  readonly family?: string
  readonly table?: string
  readonly name?: string
  readonly chain?: string
  readonly handle?: number
  readonly packets?: number
  readonly bytes?: number
}

/** A text says why it cannot be seen. Terse: nft then fetches no elements, of which there are very many. */
export async function look(run: Run): Promise<Seen | { readonly stderr: string; readonly isMissing: boolean }> {
  const { code, stdout, stderr, isMissing } = await run('nft', ['-j', '-t', 'list', 'ruleset'])
  if (code !== 0) return { stderr, isMissing }
  let list: readonly Readonly<Record<string, Entry>>[]
  try {
    list = (JSON.parse(stdout) as { nftables: typeof list }).nftables
  } catch {
    return { stderr: 'nft said no JSON', isMissing: false }
  }
  return readList(list)
}

export function readList(list: readonly Readonly<Record<string, Entry>>[]): Seen {
  const tables = new Map<'inet' | 'netdev', ReturnType<typeof emptyTable>>()
  const counters = new Map<string, { packets: number; bytes: number }>()
  const form: string[] = []
  for (const item of list) {
    const [kind, entry] = Object.entries(item)[0] ?? []
    const family = entry?.family
    if (entry === undefined || (family !== 'inet' && family !== 'netdev')) continue
    if ((kind === 'table' ? entry.name : entry.table) !== tableName) continue
    let table = tables.get(family)
    if (table === undefined) {
      table = emptyTable()
      tables.set(family, table)
    }
    const name = entry.name ?? entry.chain ?? ''
    form.push(`${family} ${kind} ${name} ${entry.handle}`)
    if (kind === 'counter') {
      table.counters.add(name)
      counters.set(`${family} ${name}`, { packets: entry.packets ?? 0, bytes: entry.bytes ?? 0 })
    }
    if (kind === 'map') table.maps.add(name)
    if (kind === 'set') table.sets.add(name)
    if (kind === 'chain') table.chains.add(name)
    if (kind === 'ct timeout') table.timeouts.add(name)
  }
  return { tables, counters, form: form.join('\n') }
}

function emptyTable() {
  return {
    counters: new Set<string>(),
    timeouts: new Set<string>(),
    maps: new Set<string>(),
    sets: new Set<string>(),
    chains: new Set<string>(),
  }
}
