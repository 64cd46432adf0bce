// Whether the virtual addresses are this machine's: said at the start, announced when one comes, said when one goes.

import type { Problem } from '../../shared/config/problem.ts'
import { announce } from './announce.ts'
import type { KernelEvent } from './event.ts'
import type { Interface } from './ground.ts'
import type { KernelListener } from './ruleset.ts'
import type { Run } from './run.ts'

export interface AddressHost {
  readonly run: Run
  readonly say: (event: KernelEvent['event'], of: string, why: string) => void
  readonly onProblem: (problem: Problem) => void
}

export class Addresses {
  private readonly host: AddressHost
  /** By virtual address, whether it was here at the last look. */
  private wasHere: ReadonlyMap<string, boolean> = new Map()

  constructor(host: AddressHost) {
    this.host = host
  }

  /** One that has come here is announced: another relay had it. */
  async look(listeners: readonly KernelListener[], interfaces: readonly Interface[]): Promise<void> {
    const before = this.wasHere
    const byAddress = new Map(listeners.map(listener => [listener.host, listener]))
    const holders = new Map([...byAddress.keys()].map(ip => [ip, holderOf(ip, interfaces)?.name]))
    this.wasHere = new Map([...holders].map(([ip, holder]) => [ip, holder !== undefined]))
    for (const [ip, holder] of holders) {
      const listener = byAddress.get(ip)!
      if (before.get(ip) === (holder !== undefined)) continue
      if (holder !== undefined) await this.announce(ip, listener.kernel.interface || holder)
      else if (before.has(ip)) this.host.say('address_gone', ip, 'no interface has it any more')
      else this.host.onProblem(awayProblem(listener))
    }
  }

  private async announce(ip: string, device: string): Promise<void> {
    const why = device === 'lo' ? undefined : await announce(this.host.run, device, ip)
    this.host.say('address_here', ip, why === undefined ? 'announced' : `not announced: ${why}`)
  }
}

export function holderOf(ip: string, interfaces: readonly Interface[]): Interface | undefined {
  return interfaces.find(({ addresses }) => addresses.some(each => each.ip === ip))
}

/** How the address of a listener is given to this machine. */
export function giveAddress({ host, kernel }: KernelListener): string {
  const device = kernel.interface || 'eth0'
  // Deprecated: the machine does not pick it when it connects to somebody itself. With `nodad` the kernel announces nothing.
  if (host.includes(':')) return `ip address add ${host}/128 dev ${device} preferred_lft 0`
  return `ip address add ${host}/32 dev ${device}`
}

/** A relay that stands by has not got it, and that is right; where nobody has it nothing comes. */
function awayProblem(listener: KernelListener): Problem {
  return {
    severity: 'warning',
    code: 'address-elsewhere',
    path: `listeners.${listener.name}.address`,
    message: `no interface of this machine has ${listener.host}: until one has, the relay stands by and its packets do not come here`,
    mend: `Nothing, where another relay has the address now; else: ${giveAddress(listener)}`,
  }
}
