// What the kernel has to hold so that it forwards as the table says: a pure function of table, health and neighbours.
// It is data, one table of nftables for each family; `render.ts` writes it in nft's own syntax.

import type { Observed } from '../../shared/pool/observed.ts'
import type { FlowListener, Table } from '../../shared/table/table.ts'
import { dsrTable } from './dsr.ts'
import { natTable } from './nat.ts'
import type { Target } from './targets.ts'

export interface Ruleset {
  /** `inet` for NAT and `netdev` for direct server return; neither where no listener asks for it. */
  readonly tables: readonly KernelTable[]
  readonly counters: readonly CounterMeaning[]
  /** By listener: the endpoints whose flows may stay where they are. */
  readonly live: ReadonlyMap<string, readonly Target[]>
}

export interface KernelTable {
  readonly family: 'inet' | 'netdev'
  readonly counters: readonly string[]
  /** Conntrack timeouts, each with its definition. */
  readonly timeouts: ReadonlyMap<string, string>
  readonly sets: readonly KernelSet[]
  readonly chains: readonly KernelChain[]
}

export interface KernelSet {
  readonly name: string
  readonly kind: 'map' | 'set'
  /** What is declared of it: types, flags, size. */
  readonly lines: readonly string[]
  /** By key; undefined for what the kernel learns by itself, which is never touched. */
  readonly elements: ReadonlyMap<string, string> | undefined
}

export interface KernelChain {
  readonly name: string
  /** Of one that the kernel calls itself: type, hook and priority. */
  readonly hook: string | undefined
  readonly rules: readonly string[]
}

/** What a named counter counts. */
export interface CounterMeaning {
  readonly family: 'inet' | 'netdev'
  readonly name: string
  readonly listener: string
  /** The endpoint's name; undefined where it is of the whole listener. */
  readonly endpoint: string | undefined
  /**
   * `flows`: begun. `in`: from clients. `out`: to them. `refused`: no endpoint. `denied`: the client is not let in.
   * `dropped`: fragments and IP options.
   */
  readonly what: 'flows' | 'in' | 'out' | 'refused' | 'denied' | 'dropped'
}

/** What is known of the machine. */
export interface Ground {
  /** By IP address; those that do not answer are not in it. */
  readonly neighbours: ReadonlyMap<string, string>
  /** MAC addresses by interface. */
  readonly macs: ReadonlyMap<string, string>
  /** By listener: endpoints that a reload took out and whose flows may go on for a while. */
  readonly leaving: ReadonlyMap<string, readonly Target[]>
}

export function ruleset(table: Table, observed: Observed, now: number, ground: Ground): Ruleset {
  const listeners = kernelListeners(table)
  const made = [
    natTable(ofMode(listeners, 'nat'), observed, now, ground),
    dsrTable(ofMode(listeners, 'dsr'), observed, now, ground),
  ].filter(each => each !== undefined)
  return {
    tables: made.map(each => each.table),
    counters: made.flatMap(each => each.counters),
    live: new Map(made.flatMap(each => [...each.live])),
  }
}

/** A listener that the kernel serves. */
export type KernelListener = FlowListener & { readonly kernel: NonNullable<FlowListener['kernel']> }

export function kernelListeners({ flowListeners }: Pick<Table, 'flowListeners'>): KernelListener[] {
  return [...flowListeners.values()].filter((listener): listener is KernelListener => listener.kernel !== undefined)
}

function ofMode(listeners: readonly KernelListener[], mode: 'nat' | 'dsr'): KernelListener[] {
  return listeners.filter(({ kernel }) => kernel.mode === mode)
}
