// Makes the kernel hold a ruleset and keeps it so: whole at first, then only what has changed, whole again when somebody
// else has touched it. Everything else in nftables is left alone.

import { tableName } from './names.ts'
import { look, type Seen } from './present.ts'
import { changesText, type Present, wholeText } from './render.ts'
import type { Ruleset } from './ruleset.ts'
import type { Ran, Run } from './run.ts'

/** What keeps the kernel from it. */
export interface Refusal {
  readonly code: 'no-nft' | 'no-capability' | 'no-interface' | 'kernel-refused'
  readonly message: string
}

export class KernelTables {
  private readonly run: Run
  /** What the kernel holds as far as we know; undefined when it has to be written whole. */
  private held: Ruleset | undefined
  private form = ''

  constructor(run: Run) {
    this.run = run
  }

  /** Undefined when the kernel now holds it. After a refusal it holds what it held before. */
  async hold(wanted: Ruleset): Promise<Refusal | undefined> {
    const changes = this.held === undefined ? undefined : changesText(this.held, wanted)
    if (changes === '') {
      this.held = wanted
      return undefined
    }
    if (changes !== undefined) {
      const { code } = await this.run('nft', ['-f', '-'], changes)
      if (code === 0) {
        this.held = wanted
        return undefined
      }
      // Somebody has been there: the whole says what is to be, whatever is.
    }
    const seen = await look(this.run)
    if ('stderr' in seen) return refusalOf(seen)
    const written = await this.run('nft', ['-f', '-'], wholeText(wanted, seen.tables))
    if (written.code !== 0) return refusalOf(written)
    this.held = wanted
    const now = await look(this.run)
    this.form = 'form' in now ? now.form : ''
    return undefined
  }

  /** What is there now. `isOurs` is false when somebody else has changed or removed something. */
  async see(): Promise<(Seen & { readonly isOurs: boolean }) | undefined> {
    const seen = await look(this.run)
    if ('stderr' in seen) return undefined
    return { ...seen, isOurs: this.held === undefined || seen.form === this.form }
  }

  /** Whether every map has as many elements as it should: slower, since all of them are listed. */
  async hasElements(): Promise<boolean> {
    for (const { family, sets } of this.held?.tables ?? []) {
      for (const { name, kind, elements } of sets) {
        if (elements === undefined || elements.size === 0) continue
        const { code, stdout } = await this.run('nft', ['-j', 'list', kind, family, tableName, name])
        if (code !== 0 || countElements(stdout) !== elements.size) return false
      }
    }
    return true
  }

  /** The next `hold` writes the whole. */
  forget(): void {
    this.held = undefined
  }

  /** Takes everything of ours away. */
  async remove(): Promise<void> {
    const seen = await look(this.run)
    if ('stderr' in seen || seen.tables.size === 0) return
    await this.run('nft', ['-f', '-'], wholeText({ tables: [], counters: [], live: new Map() }, seen.tables as Present))
    this.held = undefined
  }
}

function countElements(json: string): number {
  try {
    const { nftables } = JSON.parse(json) as { nftables: readonly { map?: { elem?: unknown[] } }[] }
    return nftables.reduce((count, { map }) => count + (map?.elem?.length ?? 0), 0)
  } catch {
    return -1
  }
}

export function refusalOf({ stderr, isMissing }: Pick<Ran, 'stderr' | 'isMissing'>): Refusal {
  const first = stderr.split('\n').find(line => /error|denied|permitted|not/i.test(line)) ?? stderr.split('\n')[0] ?? ''
  if (isMissing) return { code: 'no-nft', message: 'the program nft is not there' }
  if (/not permitted|must be root|EPERM/i.test(stderr)) {
    return { code: 'no-capability', message: 'this user may not change nftables (it takes CAP_NET_ADMIN)' }
  }
  if (/Interface does not exist|No such device/i.test(stderr)) {
    const name = /(?:device|fwd to) "([^"]+)"/.exec(stderr)?.[1]
    return { code: 'no-interface', message: `there is no interface ${name ?? 'of that name'}` }
  }
  return { code: 'kernel-refused', message: `nft: ${first.slice(0, 300)}` }
}
