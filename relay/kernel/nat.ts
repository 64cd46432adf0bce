// NAT in nftables: the first packet of a flow gets an endpoint's address, conntrack does the rest both ways. A flow stays
// on its endpoint since conntrack remembers it; the maps only speak to new ones.

import type { Observed } from '../../shared/pool/observed.ts'
import { listenerId, placeId } from './names.ts'
import type { CounterMeaning, Ground, KernelChain, KernelListener, KernelSet, KernelTable } from './ruleset.ts'
import { addressKey, denyRules, idleSeconds, lanesOf, slotDraw, slotElements, slotType, steerRules } from './steer.ts'
import { familyOf, liveTargets, type Target, targetOf, targetsOf } from './targets.ts'

export interface MadeTable {
  readonly table: KernelTable
  readonly counters: readonly CounterMeaning[]
  readonly live: readonly (readonly [listener: string, targets: readonly Target[]])[]
}

/** Undefined without listeners. */
export function natTable(
  listeners: readonly KernelListener[],
  observed: Observed,
  now: number,
  ground: Ground,
): MadeTable | undefined {
  if (listeners.length === 0) return undefined
  const parts = listeners.map(listener => natListener(listener, observed, now, ground))
  const hooks: KernelChain[] = [
    {
      name: 'enter',
      hook: 'type nat hook prerouting priority dstnat',
      rules: parts.map(part => part.enter),
    },
    {
      name: 'leave',
      hook: 'type nat hook postrouting priority srcnat',
      rules: parts.flatMap(part => part.leave),
    },
    {
      name: 'pass',
      hook: 'type filter hook forward priority filter',
      rules: parts.map(part => part.pass),
    },
  ]
  return {
    table: {
      family: 'inet',
      counters: parts.flatMap(part => part.counters.map(({ name }) => name)),
      timeouts: new Map(parts.map(part => part.timeout)),
      sets: parts.flatMap(part => part.sets),
      // Those that are jumped to come first: nft reads from top to bottom.
      chains: [...parts.flatMap(part => part.chains), ...hooks],
    },
    counters: parts.flatMap(part => part.counters),
    live: parts.map(part => part.live),
  }
}

function natListener(listener: KernelListener, observed: Observed, now: number, ground: Ground) {
  const { name, kind, host, port, kernel } = listener
  const family = familyOf(listener)
  const ip = family === 4 ? 'ip' : 'ip6'
  const id = listenerId(listener, family)
  const lanes = lanesOf(listener, id)
  const targets = targetsOf(
    lanes.map(({ pool }) => pool),
    family,
  )
  const counters: CounterMeaning[] = [
    ...(['refused', 'denied'] as const).map(what => ({
      family: 'inet' as const,
      name: `${id}.${what}`,
      listener: name,
      endpoint: undefined,
      what,
    })),
    ...targets.flatMap(target =>
      (['flows', 'in', 'out'] as const).map(what => ({
        family: 'inet' as const,
        name: `${id}.${what}.${placeId(target.ip, target.port)}`,
        listener: name,
        endpoint: target.name,
        what,
      })),
    ),
  ]
  const ofTargets = (what: string): KernelSet => ({
    name: `${id}.${what}`,
    kind: 'map',
    lines: [`type ${ip === 'ip' ? 'ipv4_addr' : 'ipv6_addr'} . inet_service : counter`],
    elements: new Map(
      targets.map(target => [`${target.ip} . ${target.port}`, `"${id}.${what}.${placeId(target.ip, target.port)}"`]),
    ),
  })
  const slots = lanes.map(
    ({ pool, name: lane }): KernelSet => ({
      name: lane,
      kind: 'map',
      lines: [`typeof ${slotType} : ${ip} daddr . ${kind} dport`],
      elements: slotElements(pool, observed, now, kernel.seed, endpoint => {
        const target = targetOf(endpoint, family)
        return target === undefined ? undefined : `${target.ip} . ${target.port}`
      }),
    }),
  )
  const sources = family === 4 ? '@nh,96,32' : '@nh,64,128'
  const timeout = `${id}.idle${idleSeconds(listener)}`
  const laneChains = lanes.map(({ name: lane, key }): KernelChain => {
    const draw = slotDraw(key === 'address' ? addressKey(family) : `${sources} . @th,0,16`, kernel.seed)
    return {
      name: lane,
      hook: undefined,
      rules: [
        `meta l4proto ${kind} ct timeout set "${timeout}"`,
        `meta l4proto ${kind} dnat ${ip} to ${draw} map @${lane}`,
        `counter name "${id}.refused"`,
      ],
    }
  })
  const ours = `ct original ${ip} daddr ${host} ct original proto-dst ${port}`
  return {
    counters,
    timeout: [timeout, timeoutPolicy(listener, family)] as const,
    live: [
      name,
      liveTargets(
        lanes.map(({ pool }) => pool),
        family,
        observed,
        now,
        ground.leaving.get(name),
      ),
    ] as const,
    sets: [...slots, ...['flows', 'in', 'out'].map(ofTargets)],
    chains: [
      ...laneChains,
      {
        name: id,
        hook: undefined,
        rules: [...denyRules(listener, family, id), ...steerRules(listener, family, lanes)],
      },
      {
        name: `${id}.pass`,
        hook: undefined,
        rules: [
          `ct state new counter name ${ip} daddr . ${kind} dport map @${id}.flows`,
          `ct direction original counter name ${ip} daddr . ${kind} dport map @${id}.in`,
          `ct direction reply counter name ${ip} saddr . ${kind} sport map @${id}.out`,
        ],
      },
    ] satisfies KernelChain[],
    enter: `${ip} daddr ${host} ${kind} dport ${port} goto ${id}`,
    leave: kernel.source === 'keep' ? [] : [`meta l4proto ${kind} ct status dnat ${ours} masquerade`],
    pass: `meta l4proto ${kind} ct status dnat ${ours} goto ${id}.pass`,
  }
}

/** What conntrack keeps a silent flow for: else `nf_conntrack_tcp_timeout_established`, often five days. */
function timeoutPolicy(listener: KernelListener, family: 4 | 6): string {
  const idle = idleSeconds(listener)
  const policy =
    listener.kind === 'tcp' ? `established : ${idle}` : `replied : ${idle}, unreplied : ${Math.min(idle, 30)}`
  return `protocol ${listener.kind}; l3proto ${family === 4 ? 'ip' : 'ip6'}; policy = { ${policy} };`
}
