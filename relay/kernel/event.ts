// What happens to forwarding by the kernel, one line for each change.

export interface KernelEvent {
  /** ISO 8601 in UTC. */
  readonly time: string
  readonly event:
    | 'kernel_restored'
    | 'kernel_refused'
    | 'neighbour_lost'
    | 'neighbour_found'
    | 'neighbour_moved'
    | 'address_here'
    | 'address_gone'
    | 'flows_not_ended'
    | 'conntrack_full'
  /** An address, a listener or an endpoint; null for all. */
  readonly of: string | null
  readonly why: string | null
}

export function kernelEvent(
  event: KernelEvent['event'],
  of: string | null,
  why: string | null,
  now: number,
): KernelEvent {
  return { time: new Date(now).toISOString(), event, of, why }
}
