// Tells the segment that a virtual address is here now: gratuitous ARP, so that nobody goes on sending to the relay that
// had it before.

import { sysctl } from './ground.ts'
import type { Run } from './run.ts'

/**
 * Undefined, or why it could not be done. Of IPv6 the kernel itself says so when it gets an address without `nodad`, where
 * `net.ipv6.conf.<interface>.ndisc_notify` is 1: Node and Debian's arping cannot.
 */
export async function announce(run: Run, device: string, ip: string): Promise<string | undefined> {
  if (ip.includes(':')) {
    const [mine, all] = [device, 'all'].map(name => `net.ipv6.conf.${name}.ndisc_notify`)
    const isOn = (await sysctl(mine!)) === '1' || (await sysctl(all!)) === '1'
    return isOn ? undefined : `${mine} is not 1, so the kernel tells nobody`
  }
  // Once as a request and once as an answer: some listen to one, some to the other (RFC 5227 section 3).
  for (const form of ['-U', '-A']) {
    const { code, stderr, stdout, isMissing } = await run('arping', [
      form,
      '-q',
      '-c',
      '1',
      '-w',
      '1',
      '-I',
      device,
      ip,
    ])
    if (isMissing) return 'the program arping is not there'
    // Nobody answers a gratuitous one, and arping counts that as a failure.
    if (code > 1 || code < 0) return (stderr || stdout).split('\n')[0] ?? 'arping failed'
  }
  return undefined
}
