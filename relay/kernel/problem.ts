// What a refusal of the kernel is called for the operator: which listener, what is missing, what mends it.

import type { Problem } from '../../shared/config/problem.ts'
import type { Refusal } from './apply.ts'
import type { KernelListener } from './ruleset.ts'

export function problemOf({ code, message }: Refusal, listeners: readonly KernelListener[]): Problem {
  const names = listeners.map(({ name }) => name).join(', ')
  return {
    severity: 'error',
    code,
    path: `listeners.${listeners[0]!.name}.mode`,
    message: `the kernel cannot forward for ${names}: ${message}`,
    mend: mends[code],
  }
}

const mends: Readonly<Record<Refusal['code'], string>> = {
  'no-nft': 'Install nftables (`apt-get install nftables`), or say mode "proxy".',
  'no-capability':
    'Give the relay CAP_NET_ADMIN (`AmbientCapabilities=CAP_NET_ADMIN` in its unit), or say mode "proxy".',
  'no-interface': 'Name one that `ip -br link` shows.',
  'kernel-refused':
    '`fourseven kernel preflight` says what is missing, and `fourseven kernel print` what was asked for.',
}
