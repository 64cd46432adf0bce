// What the kernel counts, in the form of Prometheus: read from nft when somebody asks, never on a packet's way.

import { Counter, Gauge, type Registry } from 'prom-client'
import type { CountRow, KernelCounts } from './kernel.ts'

export function addKernelMetrics(registers: Registry[], read: () => Promise<KernelCounts | undefined>): void {
  let asked: Promise<KernelCounts | undefined> | undefined
  /** All of one scrape are from one look. */
  const counts = () => {
    if (asked === undefined) {
      asked = read()
      const done = () => {
        asked = undefined
      }
      asked.then(() => setTimeout(done, 100).unref(), done)
    }
    return asked
  }
  const rows = async (...what: CountRow['what'][]) =>
    ((await counts())?.rows ?? []).filter(row => what.includes(row.what))

  new Counter({
    name: 'fourseven_kernel_flows_total',
    help: 'Flows that the kernel has sent to an endpoint.',
    labelNames: ['listener', 'endpoint'],
    registers,
    async collect() {
      const flows = await rows('flows')
      this.reset()
      for (const { listener, endpoint = '', packets } of flows) this.inc({ listener, endpoint }, packets)
    },
  })
  new Counter({
    name: 'fourseven_kernel_packets_total',
    help: 'Packets forwarded: in from clients, out to them. With direct server return the relay sees none go out.',
    labelNames: ['listener', 'endpoint', 'direction'],
    registers,
    async collect() {
      const all = await rows('in', 'out')
      this.reset()
      for (const { listener, endpoint = '', what, packets } of all)
        this.inc({ listener, endpoint, direction: what }, packets)
    },
  })
  new Counter({
    name: 'fourseven_kernel_bytes_total',
    help: 'Bytes of these packets, with their IP headers.',
    labelNames: ['listener', 'endpoint', 'direction'],
    registers,
    async collect() {
      const all = await rows('in', 'out')
      this.reset()
      for (const { listener, endpoint = '', what, bytes } of all)
        this.inc({ listener, endpoint, direction: what }, bytes)
    },
  })
  new Counter({
    name: 'fourseven_kernel_refused_packets_total',
    help: 'Packets for which there was no endpoint, or no rule.',
    labelNames: ['listener'],
    registers,
    async collect() {
      const refused = await rows('refused')
      this.reset()
      for (const { listener, packets } of refused) this.inc({ listener }, packets)
    },
  })
  new Counter({
    name: 'fourseven_kernel_denied_packets_total',
    help: 'Packets of clients that the listener does not take, as allow and deny say.',
    labelNames: ['listener'],
    registers,
    async collect() {
      const denied = await rows('denied')
      this.reset()
      for (const { listener, packets } of denied) this.inc({ listener }, packets)
    },
  })
  new Counter({
    name: 'fourseven_kernel_dropped_packets_total',
    help: 'Fragments and packets with options, which have no ports where they are looked for.',
    labelNames: ['listener'],
    registers,
    async collect() {
      const dropped = await rows('dropped')
      this.reset()
      for (const { listener, packets } of dropped) this.inc({ listener }, packets)
    },
  })
  new Gauge({
    name: 'fourseven_conntrack_entries',
    help: 'Connections that the kernel tracks, all of the machine, and how many it can.',
    labelNames: ['of'],
    registers,
    async collect() {
      const conntrack = (await counts())?.conntrack
      this.reset()
      if (conntrack === undefined) return
      this.set({ of: 'now' }, conntrack.entries)
      this.set({ of: 'most' }, conntrack.max)
    },
  })
}
