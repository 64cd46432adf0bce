// Datagrams that went nowhere: counted one by one, and written down once a second for each reason. A flood of them must not
// become a flood of records.

import type { FlowDecision } from '../shared/decide/decision.ts'
import type { FlowFacts } from '../shared/decide/facts.ts'
import type { Reason } from '../shared/decide/reason.ts'
import type { Gate } from './gate.ts'
import { type FlowRecord, flowRecord, refusal } from './record.ts'

export class Dropped {
  private readonly gate: Gate
  private readonly onRecord: (record: FlowRecord) => void
  private readonly unwritten = new Map<Reason, Refused>()

  constructor(gate: Gate, onRecord: (record: FlowRecord) => void) {
    this.gate = gate
    this.onRecord = onRecord
  }

  /** A datagram of an open session, whose record is still to come. */
  drop(reason: Reason): void {
    this.gate.drop(reason)
  }

  /** A datagram that no session was begun for. The record tells of the last such client and of how many datagrams. */
  refuse(reason: Reason, facts: FlowFacts, decision: FlowDecision | undefined, bytes: number): void {
    this.drop(reason)
    const before = this.unwritten.get(reason)
    this.unwritten.set(reason, {
      facts,
      decision,
      datagrams: (before?.datagrams ?? 0) + 1,
      bytes: (before?.bytes ?? 0) + bytes,
    })
  }

  /** Asked once a second, and at the end. */
  write(): void {
    for (const [reason, { facts, decision, datagrams, bytes }] of this.unwritten) {
      const outcome = { ...refusal(reason), bytesIn: bytes, datagrams: { in: datagrams, out: 0 } }
      this.onRecord(flowRecord(facts, decision, outcome, 0))
    }
    this.unwritten.clear()
  }
}

interface Refused {
  readonly facts: FlowFacts
  readonly decision: FlowDecision | undefined
  readonly datagrams: number
  readonly bytes: number
}
