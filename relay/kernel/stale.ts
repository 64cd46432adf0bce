// What remembers an endpoint that died: conntrack under NAT, pins under direct server return. Both are taken away, so that
// its flows go elsewhere and do not come back to it later.

import { pinsOf } from './dsr.ts'
import { tableName } from './names.ts'
import type { KernelListener } from './ruleset.ts'
import type { Run } from './run.ts'
import { familyOf, type Target } from './targets.ts'

/**
 * Ends what conntrack knows of the flows from a listener to an endpoint: a busy UDP client would keep it alive for ever.
 * Undefined, or why it could not be done.
 */
export async function endTracked(run: Run, listener: KernelListener, target: Target): Promise<string | undefined> {
  const { kind, host, port } = listener
  const family = familyOf(listener) === 4 ? 'ipv4' : 'ipv6'
  const flow = ['-f', family, '-p', kind, '-d', host, '--orig-port-dst', String(port)]
  const end = ['-r', target.ip, '--reply-port-src', String(target.port)]
  const { code, stderr, isMissing } = await run('conntrack', ['-D', ...flow, ...end])
  // With nothing to delete it says so and ends with 1.
  if (code === 0 || /\b0 flow entries/.test(stderr)) return undefined
  return isMissing ? 'the program conntrack is not there' : (stderr.split('\n')[0] ?? 'conntrack failed')
}

/** Ends the pins of one listener that point to none of `live`. Undefined, or why it could not be done. */
export async function endPins(
  run: Run,
  listener: KernelListener,
  live: readonly Target[],
): Promise<string | undefined> {
  const marks = new Set(live.map(({ mark }) => mark))
  const map = `netdev ${tableName} ${pinsOf(listener)}`
  const listed = await run('nft', ['list', 'map', ...map.split(' ')])
  if (listed.code !== 0) return listed.stderr.split('\n')[0]
  const keys = stalePins(listed.stdout, marks)
  for (let at = 0; at < keys.length; at += atOnce) {
    const some = keys.slice(at, at + atOnce)
    const text = (list: readonly string[]) => `delete element ${map} { ${list.join(', ')} }\n`
    if ((await run('nft', ['-f', '-'], text(some))).code === 0) continue
    // One of them ran out meanwhile and took the others along.
    for (let each = 0; each < some.length; each += few) {
      const part = some.slice(each, each + few)
      if ((await run('nft', ['-f', '-'], text(part))).code === 0) continue
      for (const key of part) await run('nft', ['-f', '-'], text([key]))
    }
  }
  return undefined
}

/**
 * Keys, as nft takes them, of pins to none of `marks`, from `nft list map` as text: its JSON has numbers of 64 bits and
 * more that no reader keeps. Those about to run out are left to it.
 */
export function stalePins(text: string, marks: ReadonlySet<number>): string[] {
  const keys: string[] = []
  for (const [, key, expires, mark] of text.matchAll(element)) {
    if (!marks.has(Number(mark)) && !(expires !== undefined && /^(?:[0-2]s)?(?:\d+ms)?$/.test(expires))) keys.push(key!)
  }
  return keys
}

/** `0xa000001 . 0x4d2 timeout 1h expires 59m59s992ms : 0x00000005` */
const element = /(0x[0-9a-f]+(?: \. 0x[0-9a-f]+)*)(?: timeout \w+)?(?: expires (\w+))? : (0x[0-9a-f]+)/g
/** Keys in one transaction. */
const atOnce = 4096
const few = 64
