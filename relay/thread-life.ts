// A thread as the main thread has it: it is started, asked and answered, and when it dies what it held is given back and
// another takes its number, with the same sockets.

import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Problem } from '../shared/config/problem.ts'
import type { Reason } from '../shared/decide/reason.ts'
import { createHeld, giveBack, type Observed } from '../shared/pool/observed.ts'
import type { Table } from '../shared/table/table.ts'
import type { Doors, GivenSession, Prepared } from './doors.ts'
import type { ThreadEvent } from './event.ts'
import { type GateMemory, giveBackGate } from './gate.ts'
import type { RelayRequestRecord } from './http/plane.ts'
import type { BoundHandle } from './place.ts'
import type { FlowRecord } from './record.ts'
import type { Answer, Fault, Question, SessionOnItsWay, ThreadBirth, ThreadWork } from './thread.ts'
import type { Link, Links } from './thread-link.ts'
import { callAll, leavePlaceIn, type QueueWish, takeLastPlace, type Waiter } from './waiting.ts'

export interface Surroundings {
  readonly home: Doors
  readonly observed: Observed
  /** How many threads there are. */
  readonly count: number
  readonly links: Links
  readonly gatesInUse: ReadonlySet<GateMemory>
  readonly flowIds: SharedArrayBuffer
  readonly ticketSecret: Uint8Array
  readonly cookieKeys: readonly string[]
  readonly queueLengths: SharedArrayBuffer
  readonly onRecord: (record: FlowRecord) => void
  readonly onRequest: ((record: RelayRequestRecord) => void) | undefined
  readonly onEvent: (event: ThreadEvent) => void
  readonly onProblem: (problem: Problem) => void
}

type Said =
  | Answer
  | { readonly isReady: true }
  | { readonly records: readonly FlowRecord[] }
  | { readonly requests: readonly RelayRequestRecord[] }
  | { readonly problem: Problem }
  | QueueWish

export class Thread {
  readonly number: number
  /** Nobody takes its place any more. */
  isEnding = false
  private readonly around: Surroundings
  private readonly held: SharedArrayBuffer
  private worker: Worker | undefined
  private link: Link | undefined
  private bornAt = 0
  private diedInRow = 0
  private why = ''
  /** The worker that has been given a table to prepare. */
  private preparedBy: Worker | undefined
  private asked = 0
  private readonly answers = new Map<number, (value: unknown) => void>()
  private given = 0
  /** Sockets of sessions that it gives away, by its numbers. */
  private readonly received = new Map<number, object>()
  /** What it has, or whoever takes its place will have. */
  private readonly doors = new Map<string, { readonly gate: GateMemory; readonly handles: readonly BoundHandle[] }>()
  /** Its flows that wait in the queues of the main thread. */
  private readonly waiting = new Map<number, { readonly pool: string; readonly waiter: Waiter }>()

  constructor(number: number, around: Surroundings) {
    this.number = number
    this.around = around
    this.held = createHeld(around.observed)
  }

  /** Resolves when it is ready; rejects when it never is. */
  begin(): Promise<void> {
    const { number, held, around } = this
    const { home, observed, count, links, flowIds, queueLengths, ticketSecret, cookieKeys } = around
    const birth: ThreadBirth = {
      thread: number,
      threads: count,
      table: home.plane.table,
      observed: observed.buffer as SharedArrayBuffer,
      held,
      firstTurn: home.plane.draw() % 2 ** 31,
      flowIds,
      ticketSecret,
      cookieKeys,
      bans: home.http.bans,
      tellsRequests: around.onRequest !== undefined,
      disk: number === 0 ? home.http.disk : undefined,
      queueLengths,
      link: links.expect(
        link => {
          this.link = link
        },
        (number, handle) => void this.received.set(number, handle),
      ),
    }
    // The source when this is the source, what was built of it when this was built.
    const file = new URL(`./thread${extname(new URL(import.meta.url).pathname)}`, import.meta.url)
    const worker = new Worker(file, { workerData: birth, name: `relay ${number}` })
    this.worker = worker
    this.bornAt = performance.now()
    this.why = ''
    worker.on('error', error => {
      this.why = error instanceof Error ? error.message : String(error)
    })
    return new Promise((resolve, reject) => {
      worker.on('message', (said: Said) => {
        if ('isReady' in said) resolve()
        else this.hear(worker, said)
      })
      worker.once('exit', code => {
        this.why ||= `ended with code ${code}`
        reject(new Error(`a thread could not begin: ${this.why}`))
        this.die(worker)
      })
    })
  }

  /** Undefined when it has died, or dies before it answers. */
  ask<Work extends keyof ThreadWork>(
    work: Work,
    ...given: Parameters<ThreadWork[Work]>
  ): Promise<Awaited<ReturnType<ThreadWork[Work]>> | undefined> {
    const { worker } = this
    if (worker === undefined) return Promise.resolve(undefined)
    this.asked += 1
    const ask = this.asked
    return new Promise(resolve => {
      this.answers.set(ask, resolve as (value: unknown) => void)
      const question: Question = { ask, work, with: given }
      worker.postMessage(question)
    })
  }

  async accept(
    name: string,
    gate: GateMemory,
    handles: readonly BoundHandle[],
    isHeld = false,
  ): Promise<NodeJS.ErrnoException | undefined> {
    this.doors.set(name, { gate, handles })
    const { link } = this
    if (link === undefined) return undefined
    const numbers: number[] = []
    for (const handle of handles) {
      this.given += 1
      numbers.push(this.given)
      await link.give(this.given, handle)
    }
    const fault = (await this.ask('accept', name, gate, numbers, isHeld)) as Fault | undefined
    return fault === undefined ? undefined : Object.assign(new Error(fault.message), { code: fault.code })
  }

  async close(name: string): Promise<void> {
    this.doors.delete(name)
    await this.ask('close', name)
  }

  async prepare(table: Table): Promise<Prepared> {
    const { worker } = this
    this.preparedBy = worker
    return (await this.ask('prepare', table)) ?? { problems: [], drained: 0, moving: [] }
  }

  /** @param table the one in force now, for a thread that has taken the place of the one that prepared it */
  async commit(table: Table): Promise<void> {
    if (this.preparedBy !== this.worker) void this.prepare(table)
    await this.ask('commit')
  }

  /** Its sessions, with their sockets; it hears nothing more. */
  async pauseSessions(): Promise<readonly GivenSession[]> {
    const sessions = (await this.ask('pauseSessions')) ?? []
    return sessions.map(({ number, ...session }) => {
      const handle = this.received.get(number)
      this.received.delete(number)
      return { ...session, handle }
    })
  }

  /** The sockets are closed here when it has them. */
  async adoptSessions(sessions: readonly GivenSession[]): Promise<number> {
    const { link } = this
    const onTheirWay: SessionOnItsWay[] = []
    await Promise.all(
      sessions.map(async ({ handle, ...session }) => {
        if (handle === undefined || link === undefined) return
        this.given += 1
        onTheirWay.push({ ...session, number: this.given })
        await link.give(this.given, handle)
        ;(handle as BoundHandle).close()
      }),
    )
    return (await this.ask('adoptSessions', onTheirWay)) ?? 0
  }

  /** As a bug would end it: at once, with all that it has open. */
  crash(): boolean {
    this.why = 'ended on purpose'
    void this.worker?.terminate()
    return true
  }

  async end(): Promise<void> {
    this.isEnding = true
    await this.worker?.terminate()
  }

  private hear(worker: Worker, said: Exclude<Said, { readonly isReady: true }>): void {
    if ('records' in said) for (const record of said.records) this.around.onRecord(record)
    else if ('requests' in said) for (const record of said.requests) this.around.onRequest?.(record)
    else if ('problem' in said) this.around.onProblem(said.problem)
    else if ('answer' in said) {
      this.answers.get(said.answer)?.(said.value)
      this.answers.delete(said.answer)
    } else this.queue(worker, said)
  }

  private queue(worker: Worker, wish: QueueWish): void {
    const rooms = this.around.home.plane.waiting
    const queueOf = () => rooms.queues.get(wish.pool)
    switch (wish.queue) {
      case 'join': {
        const tell = (outcome: 'turn' | Reason) => worker.postMessage({ turn: wish.waiter, outcome })
        const waiter: Waiter = { resolve: tell }
        if (!takeLastPlace(rooms, wish.pool, wish.max, waiter)) {
          tell('queue_full')
          return
        }
        this.waiting.set(wish.waiter, { pool: wish.pool, waiter })
        this.countQueue(wish.pool)
        // A place may have come free while the wish was under way.
        if (queueOf()?.[0] === waiter) tell('turn')
        return
      }
      case 'leave': {
        const left = this.waiting.get(wish.waiter)
        this.waiting.delete(wish.waiter)
        if (left !== undefined) leavePlaceIn(rooms, left.pool, left.waiter)
        this.countQueue(wish.pool)
        return
      }
      case 'call':
        queueOf()?.[0]?.resolve('turn')
    }
  }

  private countQueue(pool: string): void {
    const { home, queueLengths } = this.around
    const index = home.plane.table.poolIndexes.get(pool)
    if (index === undefined) return
    Atomics.store(new Int32Array(queueLengths), index, home.plane.waiting.queues.get(pool)?.length ?? 0)
  }

  private die(worker: Worker): void {
    if (this.worker !== worker) return
    this.worker = undefined
    this.link?.close()
    this.link = undefined
    this.received.clear()
    for (const answer of this.answers.values()) answer(undefined)
    this.answers.clear()
    if (this.isEnding) return
    const { home, observed, gatesInUse, onEvent } = this.around
    let flows = 0
    for (const gate of gatesInUse) flows += giveBackGate(gate, this.number)
    giveBack(observed, this.held)
    for (const { pool, waiter } of this.waiting.values()) {
      leavePlaceIn(home.plane.waiting, pool, waiter)
      this.countQueue(pool)
    }
    this.waiting.clear()
    callAll(home.plane.waiting)
    const say = (event: ThreadEvent['event'], why: string | null) =>
      onEvent({ time: new Date(home.plane.host.now()).toISOString(), event, thread: this.number, flows, why })
    say('thread_lost', this.why)
    this.diedInRow = performance.now() - this.bornAt < longLifeMs ? this.diedInRow + 1 : 0
    const pauseMs = this.diedInRow === 0 ? 0 : Math.min(longestPauseMs, shortestPauseMs * 2 ** (this.diedInRow - 1))
    setTimeout(() => {
      if (this.isEnding) return
      this.begin().then(
        async () => {
          for (const [name, { gate, handles }] of [...this.doors]) await this.accept(name, gate, handles)
          flows = 0
          say('thread_replaced', null)
        },
        // It has died again, which has been said.
        () => {},
      )
    }, pauseMs)
  }
}

/** One that dies sooner may do so for the same cause as the one before: the next one waits, longer each time. */
const longLifeMs = 10_000
const shortestPauseMs = 100
const longestPauseMs = 10_000
