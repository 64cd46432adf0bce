// What `top` shows: rates from two looks at a relay, and lines that fit a terminal.

import type { CountRow } from '../relay/kernel/kernel.ts'
import type { FlowPage, LiveFlow, LivePool } from '../relay/live.ts'
import { formatHostPort } from '../shared/wire/address.ts'
import { paint } from './paint.ts'
import { type KernelView, kernelViews } from './top-kernel.ts'

/** One look. */
export interface Sample {
  /** Of a clock that only goes forward. */
  readonly atMs: number
  /** Accepted so far. */
  readonly connections: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly flows: FlowPage
  readonly pools: readonly LivePool[]
  /** What the kernel has counted; empty where it serves no listener. */
  readonly kernel: readonly CountRow[]
}

export interface TopView {
  readonly open: number
  /** A second; null with one look only. */
  readonly rates: Rates | null
  readonly pools: readonly LivePool[]
  /** By listener and endpoint, where the kernel carries the bytes. */
  readonly kernel: readonly KernelView[]
  /** The busiest first. */
  readonly flows: readonly (LiveFlow & { readonly bytesPerSecond: number })[]
}

interface Rates {
  readonly connections: number
  readonly bytesIn: number
  readonly bytesOut: number
}

export function viewOf(now: Sample, before: Sample | undefined): TopView {
  const seconds = before === undefined ? 0 : (now.atMs - before.atMs) / 1000
  const rate = (value: number, old: number) => (seconds <= 0 ? 0 : Math.max(0, Math.round((value - old) / seconds)))
  const old = new Map(before?.flows.flows.map(flow => [flow.id, flow.bytesIn + flow.bytesOut]))
  const flows = now.flows.flows.map(flow => {
    const bytes = flow.bytesIn + flow.bytesOut
    return { ...flow, bytesPerSecond: rate(bytes, old.get(flow.id) ?? (before === undefined ? bytes : 0)) }
  })
  return {
    open: now.flows.total,
    rates:
      before === undefined
        ? null
        : {
            connections: rate(now.connections, before.connections),
            bytesIn: rate(now.bytesIn, before.bytesIn),
            bytesOut: rate(now.bytesOut, before.bytesOut),
          },
    pools: now.pools,
    kernel: kernelViews(now.kernel, before?.kernel, seconds),
    flows: flows.sort((a, b) => b.bytesPerSecond - a.bytesPerSecond || b.ageMs - a.ageMs),
  }
}

/** Endpoints get two thirds of the rows at most, flows the rest. */
export function renderTop(view: TopView, { columns, rows }: { columns: number; rows: number }): string[] {
  const { open, rates, pools, kernel, flows } = view
  const rated =
    rates === null
      ? ''
      : `, ${rates.connections} new/s, in ${bytesText(rates.bytesIn)}/s, out ${bytesText(rates.bytesOut)}/s`
  const head = fit(`${open} open${rated}`, columns)
  const endpointLines = pools.flatMap(pool =>
    pool.endpoints.map(({ name, state, open, latencyMs, why }) => ({
      text: line(
        [pool.name, name, state, String(open), latencyMs === null ? '' : `${latencyMs} ms`, why ?? ''],
        ENDPOINT,
      ),
      state,
    })),
  )
  const waiting = pools.flatMap(pool => (pool.waiting > 0 ? [`${pool.waiting} wait for ${pool.name}`] : []))
  const flowLines = flows.map(flow =>
    line(
      [
        formatHostPort(flow.clientAddress, flow.clientPort),
        flow.transport === 'udp' ? `${flow.listener} (udp)` : flow.listener,
        flow.route === null ? '' : `${flow.route}/${flow.rule}`,
        flow.endpoint ?? '(connecting)',
        `${bytesText(flow.bytesPerSecond)}/s`,
        `${Math.round(flow.ageMs / 1000)} s`,
      ],
      FLOW,
    ),
  )
  const kernelLines = kernel.map(({ listener, endpoint, newFlows, bytesIn, bytesOut, flows }) =>
    line(
      [listener, endpoint, `${newFlows}/s`, `${bytesText(bytesIn)}/s`, `${bytesText(bytesOut)}/s`, `${flows} so far`],
      KERNEL,
    ),
  )
  const left = rows - 3 - waiting.length - (kernelLines.length === 0 ? 0 : 1)
  const shownKernel = kernelLines.slice(0, Math.max(0, Math.ceil(left / 3)))
  const shownEndpoints = endpointLines.slice(0, Math.max(0, Math.min(endpointLines.length, Math.ceil((left * 2) / 3))))
  const shownFlows = flowLines.slice(0, Math.max(0, left - shownEndpoints.length - shownKernel.length))
  return [
    paint('bold', head),
    ...waiting.map(text => paint('yellow', fit(text, columns))),
    paint('dim', fit(line(['pool', 'endpoint', 'state', 'open', 'connect', 'why'], ENDPOINT), columns)),
    ...shownEndpoints.map(({ text, state }) => {
      const shown = fit(text, columns)
      return state === 'up' ? shown : paint(state === 'draining' ? 'yellow' : 'red', shown)
    }),
    ...(shownKernel.length === 0
      ? []
      : [paint('dim', fit(line(['by the kernel', 'endpoint', 'new', 'in', 'out', 'flows'], KERNEL), columns))]),
    ...shownKernel.map(text => fit(text, columns)),
    paint('dim', fit(line(['client', 'listener', 'rule', 'endpoint', 'rate', 'age'], FLOW), columns)),
    ...shownFlows.map(text => fit(text, columns)),
  ]
}

/** `1.2 MiB` */
export function bytesText(bytes: number): string {
  const step = bytes < 1024 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** step
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[step]}`
}

function line(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map(plain)
    .map((cell, at) => (at === cells.length - 1 ? cell : fit(cell, widths[at]!).padEnd(widths[at]!)))
    .join(' ')
}

/** An address that a PROXY header brought may hold anything, even what moves the cursor. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, '?')
}

function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}

const ENDPOINT = [16, 36, 9, 6, 10]
const KERNEL = [16, 36, 9, 12, 12]
const FLOW = [24, 14, 20, 36, 12]
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
