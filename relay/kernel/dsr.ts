// Direct server return in nftables, at the ingress of one interface: a packet for the virtual address gets the MAC of an
// endpoint and goes out again; what comes back never passes here. A flow stays on its endpoint by a map that the kernel
// learns itself, in front of the slots.
//
// Three looks: key -> mark (learned), or else slot -> mark (ours); then mark -> MAC. A mark stands for an endpoint. One
// that died has no MAC, so that its flows fall through to the slots; a MAC that changes is one element.

import type { Observed } from '../../shared/pool/observed.ts'
import { listenerId, placeId } from './names.ts'
import type { MadeTable } from './nat.ts'
import type { CounterMeaning, Ground, KernelChain, KernelListener, KernelSet } from './ruleset.ts'
import { addressKey, denyRules, idleSeconds, lanesOf, slotDraw, slotElements, slotType, steerRules } from './steer.ts'
import { familyOf, liveTargets, targetOf, targetsOf } from './targets.ts'

/** Undefined without listeners. */
export function dsrTable(
  listeners: readonly KernelListener[],
  observed: Observed,
  now: number,
  ground: Ground,
): MadeTable | undefined {
  if (listeners.length === 0) return undefined
  const parts = listeners.map(listener => ({ listener, ...dsrListener(listener, observed, now, ground) }))
  const interfaces = new Set(listeners.map(({ kernel }) => kernel.interface))
  const hooks = [...interfaces].flatMap((device): KernelChain[] => {
    const mine = parts.filter(({ listener }) => listener.kernel.interface === device)
    const name = `on.${device.replace(/[^A-Za-z0-9_]/g, '_')}`
    const listening = mine.map(({ listener }) => listener)
    return [
      { name: `${name}.errors`, hook: undefined, rules: listening.map(errorRule) },
      {
        name,
        hook: `type filter hook ingress device "${device}" priority -150`,
        rules: [
          ...enterRules(listening),
          ...fragmentRules(mine),
          `meta l4proto { icmp, ipv6-icmp } goto ${name}.errors`,
        ],
      },
    ]
  })
  return {
    table: {
      family: 'netdev',
      counters: parts.flatMap(part => part.counters.map(({ name }) => name)),
      timeouts: new Map(),
      sets: parts.flatMap(part => part.sets),
      chains: [...parts.flatMap(part => part.chains), ...hooks],
    },
    counters: parts.flatMap(part => part.counters),
    live: parts.map(part => part.live),
  }
}

function dsrListener(listener: KernelListener, observed: Observed, now: number, ground: Ground) {
  const { name, kind, kernel } = listener
  const family = familyOf(listener)
  const id = listenerId(listener, family)
  const lanes = lanesOf(listener, id)
  const pools = lanes.map(({ pool }) => pool)
  const targets = targetsOf(pools, family)
  const live = liveTargets(pools, family, observed, now, ground.leaving.get(name)).filter(({ ip }) =>
    ground.neighbours.has(ip),
  )
  const counted = [...targets, ...(ground.leaving.get(name) ?? [])].filter(
    (target, at, all) => all.findIndex(({ ip }) => ip === target.ip) === at,
  )
  const counters: CounterMeaning[] = [
    ...(['refused', 'denied', 'dropped'] as const).map(what => ({
      family: 'netdev' as const,
      name: `${id}.${what}`,
      listener: name,
      endpoint: undefined,
      what,
    })),
    ...counted.flatMap(target =>
      (['flows', 'in'] as const).map(what => ({
        family: 'netdev' as const,
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
    lines: ['type mark : counter'],
    elements: new Map(
      counted.map(target => [String(target.mark), `"${id}.${what}.${placeId(target.ip, target.port)}"`]),
    ),
  })
  const slots = lanes.map(
    ({ pool, name: lane }): KernelSet => ({
      name: lane,
      kind: 'map',
      lines: [`typeof ${slotType} : meta mark`],
      elements: slotElements(pool, observed, now, kernel.seed, endpoint => {
        const target = targetOf(endpoint, family)
        return target === undefined || !ground.neighbours.has(target.ip) ? undefined : String(target.mark)
      }),
    }),
  )
  const keys = keysOf(family, kernel.key === 'address' ? 'address' : 'flow')
  const learned = (set: string, sort: KernelSet['kind'], data: string): KernelSet => ({
    name: set,
    kind: sort,
    lines: [`typeof ${keys.pin}${data}`, 'flags dynamic,timeout', `size ${mostPins}`],
    elements: undefined,
  })
  const tcp = kind === 'tcp' && kernel.key !== 'address'
  return {
    counters,
    live: [name, live] as const,
    sets: [
      learned(pinsOf(listener), 'map', ' : meta mark'),
      ...(tcp ? [learned(`${id}.closing`, 'set', '')] : []),
      {
        name: `${id}.macs`,
        kind: 'map',
        lines: ['typeof meta mark : ether daddr'],
        elements: new Map(live.map(target => [String(target.mark), ground.neighbours.get(target.ip)!])),
      },
      ...slots,
      ofTargets('flows'),
      ofTargets('in'),
    ] satisfies KernelSet[],
    chains: chainsOf(listener, id, keys, tcp, ground),
  }
}

/** The map in which the kernel learns which flow, or which client, is where: another one where its type is another. */
export function pinsOf(listener: KernelListener): string {
  return `${listenerId(listener, familyOf(listener))}.${listener.kernel.key === 'address' ? 'clients' : 'pins'}`
}

function chainsOf(listener: KernelListener, id: string, keys: Keys, tcp: boolean, { macs }: Ground): KernelChain[] {
  const { kernel, kind } = listener
  const family = familyOf(listener)
  const lanes = lanesOf(listener, id)
  const pins = pinsOf(listener)
  const idle = `${idleSeconds(listener)}s`
  const mac = macs.get(kernel.interface) ?? '00:00:00:00:00:00'
  const send = `ether saddr set ${mac} counter name meta mark map @${id}.in fwd to "${kernel.interface}"`
  const toEndpoint = `ether daddr set meta mark map @${id}.macs`
  const isOpening = 'tcp flags & (syn | ack) == syn'
  const update = (timeout: string) => `update @${pins} { ${keys.pin} timeout ${timeout} : meta mark }`
  const drawOf = (key: 'flow' | 'address') => slotDraw(key === 'address' ? keys.address : keys.flow, kernel.seed)
  const only = lanes.length === 1 ? lanes[0] : undefined
  const inner = innerKeys(family, kernel.key === 'address' ? 'address' : 'flow')
  return [
    { name: `${id}.send`, hook: undefined, rules: [send] },
    ...(tcp
      ? [
          {
            name: `${id}.turn`,
            hook: undefined,
            rules: [
              // A port used again is a new flow.
              `${isOpening} delete @${id}.closing { ${keys.pin} }`,
              `${isOpening} ${update(openingTimeout)}`,
              `tcp flags & (fin | rst) != 0 add @${id}.closing { ${keys.pin} timeout ${closingTimeout} }`,
              `tcp flags & (fin | rst) != 0 ${update(closingTimeout)}`,
              send,
            ],
          },
        ]
      : []),
    {
      name: `${id}.known`,
      hook: undefined,
      rules: [
        ...(tcp
          ? [`${flagsOctet} & 0x7 != 0 goto ${id}.turn`, `${keys.pin} != @${id}.closing ${update(idle)}`]
          : [update(idle)]),
        send,
      ],
    },
    {
      name: `${id}.new`,
      hook: undefined,
      rules: [
        ...(tcp
          ? [
              `${isOpening} counter name meta mark map @${id}.flows`,
              `${isOpening} add @${pins} { ${keys.pin} timeout ${openingTimeout} : meta mark }`,
              `tcp flags & (fin | syn | rst) == 0 add @${pins} { ${keys.pin} timeout ${idle} : meta mark }`,
            ]
          : [`counter name meta mark map @${id}.flows`, `add @${pins} { ${keys.pin} timeout ${idle} : meta mark }`]),
        send,
      ],
    },
    ...lanes.map(({ name, key }) => ({
      name,
      hook: undefined,
      rules: [
        `meta mark set ${drawOf(key)} map @${name} ${toEndpoint} goto ${id}.new`,
        // The machine itself has the address and says that nobody is there.
        `meta mark set 0 counter name "${id}.refused"`,
      ],
    })),
    {
      name: id,
      hook: undefined,
      rules: [
        ...plainOnly(family, kind, kernel.key === 'address').map(rule => `${rule} counter name "${id}.dropped" drop`),
        `meta mark set ${keys.pin} map @${pins} ${toEndpoint} goto ${id}.known`,
        ...denyRules(listener, family, id),
        ...steerRules(listener, family, lanes),
        `meta mark set 0 counter name "${id}.refused"`,
      ],
    },
    {
      name: `${id}.errors`,
      hook: undefined,
      rules: [
        `meta mark set ${inner.pin} map @${pins} ${toEndpoint} goto ${id}.send`,
        // Where rules choose between pools, only the pin knows.
        ...(only === undefined
          ? []
          : [
              `meta mark set ${slotDraw(only.key === 'address' ? inner.address : inner.flow, kernel.seed)} map @${only.name} ${toEndpoint} goto ${id}.send`,
            ]),
        'meta mark set 0',
      ],
    },
  ]
}

/** What has no ports where they are looked for: with `key: "address"` none are. */
function plainOnly(family: 4 | 6, kind: string, byAddress: boolean): string[] {
  if (byAddress) return []
  if (family === 6) return [`ip6 nexthdr != ${kind}`]
  // In one look: version 4 with a header of 20 bytes, which is whole and the last of its packet.
  return ['@nh,0,64 & 0xff00000000003fff != 0x4500000000000000']
}

/** One look says which listener a packet is for, however many there are. */
function enterRules(listeners: readonly KernelListener[]): string[] {
  return ([4, 6] as const).flatMap(family => {
    const mine = listeners.filter(listener => familyOf(listener) === family)
    if (mine.length === 0) return []
    const to = mine.map(each => `${each.host} . ${each.kind} . ${each.port} : goto ${listenerId(each, family)}`)
    return [`${family === 4 ? 'ip' : 'ip6'} daddr . meta l4proto . th dport vmap { ${to.join(', ')} }`]
  })
}

/** ICMP errors about what the endpoints of a listener have sent. */
function errorRule(listener: KernelListener): string {
  const { kind, host, port } = listener
  const family = familyOf(listener)
  const id = listenerId(listener, family)
  const protocol = kind === 'tcp' ? 6 : 17
  return family === 4
    ? `ip daddr ${host} icmp type { destination-unreachable, time-exceeded, parameter-problem } @th,64,8 0x45 @th,136,8 ${protocol} @th,224,16 ${port} goto ${id}.errors`
    : `ip6 daddr ${host} icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } @th,112,8 ${protocol} @th,384,16 ${port} goto ${id}.errors`
}

/**
 * Fragments, but for the first, have no ports: those of an address and protocol go to the one listener there that goes by
 * address, and are dropped and counted where it goes by flow or is not alone.
 */
function fragmentRules(
  parts: readonly { readonly listener: KernelListener; readonly counters: readonly CounterMeaning[] }[],
): string[] {
  const groups = new Map<string, KernelListener[]>()
  for (const { listener } of parts) {
    const key = `${listener.host} ${listener.kind}`
    groups.set(key, [...(groups.get(key) ?? []), listener])
  }
  return [...groups.values()].map(group => {
    const first = group[0]!
    const family = familyOf(first)
    const id = listenerId(first, family)
    const isFragment =
      family === 4
        ? `ip daddr ${first.host} ip protocol ${first.kind} ip frag-off & 0x3fff != 0`
        : `ip6 daddr ${first.host} ip6 nexthdr 44 frag nexthdr ${first.kind}`
    const takes = group.length === 1 && first.kernel.key === 'address'
    return takes ? `${isFragment} goto ${id}` : `${isFragment} counter name "${id}.dropped" drop`
  })
}

/** Where a packet has what stands for its flow, and its client. */
interface Keys {
  readonly pin: string
  readonly flow: string
  readonly address: string
}

/**
 * By offset and length throughout: nft 1.0.6 takes `ip saddr` and the same four bytes inside an ICMP error for different
 * types, and then has no map for both. Ports are read behind a header without options.
 *
 * The same nft runs out of registers where a map learns keys of more than 16 bytes. So the pin of an IPv6 flow leaves out
 * 32 bits in the middle of the client's address, the upper half of its interface identifier. Two clients of one network
 * whose addresses differ nowhere else, at one port, share a pin, and so an endpoint.
 */
function keysOf(family: 4 | 6, by: 'flow' | 'address'): Keys {
  const address = addressKey(family)
  const flow = family === 4 ? '@nh,96,32 . @nh,160,16' : '@nh,64,128 . @nh,320,16'
  const pin = family === 4 ? flow : '@nh,64,64 . @nh,160,32 . @nh,320,16'
  return { address, flow, pin: by === 'address' ? address : pin }
}

/** The same of the packet that an ICMP error carries, which went the other way: its destination is the client. */
function innerKeys(family: 4 | 6, by: 'flow' | 'address'): Keys {
  const address = family === 4 ? '@th,192,32' : '@th,256,64'
  const flow = family === 4 ? '@th,192,32 . @th,240,16' : '@th,256,128 . @th,400,16'
  const pin = family === 4 ? flow : '@th,256,64 . @th,352,32 . @th,400,16'
  return { address, flow, pin: by === 'address' ? address : pin }
}

/** Flows that a listener remembers; more still go where their slot says. About 100 bytes each. */
export const mostPins = 262_144
/** Of a TCP header; read so, nft does not ask once more whether it is TCP. Its lowest bits are RST, SYN and FIN. */
const flagsOctet = '@th,104,8'
/** Until a second packet comes: a flood of first ones must not fill the map for an hour. */
const openingTimeout = '60s'
const closingTimeout = '120s'
