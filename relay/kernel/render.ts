// A ruleset in nft's own syntax: whole, as one transaction over whatever is there, or as what has changed in its maps.
// Not as JSON: nft 1.0.6 has no words there for maps that learn, nor for types by expression (docs/decisions).

import { tableName } from './names.ts'
import type { KernelChain, KernelSet, KernelTable, Ruleset } from './ruleset.ts'

/** What of ours the kernel has, by family: names of counters, maps, sets, timeouts and chains. */
export type Present = ReadonlyMap<KernelTable['family'], PresentTable>

export interface PresentTable {
  readonly counters: ReadonlySet<string>
  readonly timeouts: ReadonlySet<string>
  readonly maps: ReadonlySet<string>
  readonly sets: ReadonlySet<string>
  readonly chains: ReadonlySet<string>
}

/**
 * Makes the kernel hold this and nothing else of ours, in one transaction: rules and maps are exchanged, counters and what
 * was learned stay. Where everything is as it should be this changes nothing but handles.
 */
export function wholeText(ruleset: Ruleset, present: Present): string {
  const lines: string[] = []
  for (const family of families) {
    const wanted = ruleset.tables.find(table => table.family === family)
    const there = present.get(family)
    if (wanted !== undefined) lines.push(...tableText(wanted, there ?? nothing))
    else if (there !== undefined) lines.push(`delete table ${family} ${tableName}`)
  }
  return `${lines.join('\n')}\n`
}

function tableText(table: KernelTable, there: PresentTable): string[] {
  const { family, counters, timeouts, sets, chains } = table
  const at = `${family} ${tableName}`
  const gone = (kind: string, names: ReadonlySet<string>, wanted: Iterable<string>) => {
    const kept = new Set(wanted)
    return [...names].filter(name => !kept.has(name)).map(name => `delete ${kind} ${at} ${name}`)
  }
  const mine = chains.map(({ name }) => name)
  return [
    `add table ${at}`,
    ...[...there.chains].map(name => `flush chain ${at} ${name}`),
    ...counters.map(name => `add counter ${at} ${name}`),
    ...[...timeouts]
      .filter(([name]) => !there.timeouts.has(name))
      .map(([name, policy]) => `add ct timeout ${at} ${name} { ${policy} }`),
    ...sets.map(set => declaration(set, at)),
    ...chains.map(chain => `add chain ${at} ${chain.name}${chain.hook === undefined ? '' : ` { ${chain.hook}; }`}`),
    ...chains.flatMap(({ name, rules }) => rules.map(rule => `add rule ${at} ${name} ${rule}`)),
    ...sets.flatMap(({ name, kind, elements }) =>
      elements === undefined ? [] : [`flush ${kind} ${at} ${name}`, ...addElements(at, name, elements)],
    ),
    // One that others still jump to is busy, so it goes when all rules are there.
    ...gone('chain', there.chains, mine),
    ...gone('map', there.maps, namesOf(sets, 'map')),
    ...gone('set', there.sets, namesOf(sets, 'set')),
    ...gone('counter', there.counters, counters),
    ...gone('ct timeout', there.timeouts, timeouts.keys()),
  ]
}

function declaration({ name, kind, lines, elements }: KernelSet, at: string): string {
  const size = elements === undefined ? [] : [`size ${Math.max(leastSize, sizeFor(elements))}`]
  return `add ${kind} ${at} ${name} { ${[...lines, ...(isCounters(lines) ? [] : size)].map(line => `${line};`).join(' ')} }`
}

/**
 * The changes of maps and nothing else, or undefined when something else is another too and the whole has to be written.
 * Empty when nothing has changed.
 */
export function changesText(before: Ruleset, after: Ruleset): string | undefined {
  if (formOf(before) !== formOf(after)) return undefined
  const lines: string[] = []
  for (const [index, table] of after.tables.entries()) {
    const at = `${table.family} ${tableName}`
    for (const [place, { name, elements }] of table.sets.entries()) {
      const old = before.tables[index]!.sets[place]!.elements
      if (elements === undefined || old === undefined) continue
      const gone = [...old.keys()].filter(key => elements.get(key) !== old.get(key))
      const come = new Map([...elements].filter(([key, value]) => old.get(key) !== value))
      if (gone.length > 0) lines.push(`delete element ${at} ${name} { ${gone.join(', ')} }`)
      lines.push(...addElements(at, name, come))
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** Everything but elements. */
export function formOf({ tables }: Ruleset): string {
  return JSON.stringify(
    tables.map(({ timeouts, sets, ...rest }) => [
      rest,
      [...timeouts],
      sets.map(({ name, kind, lines }) => [name, kind, lines]),
    ]),
  )
}

/** As a person reads it, the way `nft list table` writes: of many slots only how many each endpoint has. */
export function readableText({ tables }: Ruleset): string {
  return tables
    .map(({ family, counters, timeouts, sets, chains }) =>
      [
        `table ${family} ${tableName} {`,
        ...counters.map(name => `\tcounter ${name} { }`),
        ...[...timeouts].map(([name, policy]) => `\tct timeout ${name} { ${policy} }`),
        ...sets.map(readableSet),
        ...chains.map(readableChain),
        '}',
      ].join('\n'),
    )
    .join('\n\n')
    .concat('\n')
}

function readableSet({ name, kind, lines, elements }: KernelSet): string {
  const body = [...lines]
  if (elements !== undefined && elements.size > mostShown) {
    const counts = new Map<string, number>()
    for (const value of elements.values()) counts.set(value, (counts.get(value) ?? 0) + 1)
    for (const [value, count] of counts) body.push(`# ${count} of ${elements.size} slots : ${value}`)
  } else if (elements !== undefined) {
    body.push(`elements = { ${[...elements].map(([key, value]) => `${key} : ${value}`).join(', ')} }`)
  } else body.push('# learned by the kernel')
  return `\n\t${kind} ${name} {\n${body.map(line => `\t\t${line}`).join('\n')}\n\t}`
}

function readableChain({ name, hook, rules }: KernelChain): string {
  const body = [...(hook === undefined ? [] : [`${hook}; policy accept;`]), ...rules]
  return `\n\tchain ${name} {\n${body.map(line => `\t\t${line}`).join('\n')}\n\t}`
}

function addElements(at: string, name: string, elements: ReadonlyMap<string, string>): string[] {
  if (elements.size === 0) return []
  return [`add element ${at} ${name} { ${[...elements].map(([key, value]) => `${key} : ${value}`).join(', ')} }`]
}

function namesOf(sets: readonly KernelSet[], kind: KernelSet['kind']): string[] {
  return sets.filter(set => set.kind === kind).map(({ name }) => name)
}

/** A map of counters takes no size in nft 1.0.6. */
function isCounters(lines: readonly string[]): boolean {
  return lines.some(line => line.endsWith(': counter'))
}

/** The same for a map however many endpoints there are: a declaration that changes would be refused. */
function sizeFor(elements: ReadonlyMap<string, string>): number {
  return elements.size > leastSize ? 131_072 : leastSize
}

const families = ['inet', 'netdev'] as const
const nothing: PresentTable = {
  counters: new Set(),
  timeouts: new Set(),
  maps: new Set(),
  sets: new Set(),
  chains: new Set(),
}
const leastSize = 65_537
const mostShown = 64
