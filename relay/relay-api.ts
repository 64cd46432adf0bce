// What a relay is started with, and what can be asked of it while it runs.

import type { PurgeOf } from '../shared/cache/purge.ts'
import type { Variables } from '../shared/config/endpoint-address.ts'
import type { Config } from '../shared/config/parsed.ts'
import type { Problem } from '../shared/config/problem.ts'
import type { Overlay } from '../shared/overlay/overlay.ts'
import type { SplitStatus } from '../shared/overlay/status.ts'
import type { Draw } from '../shared/pool/draw.ts'
import type { ListenerCounts, Plane } from './door.ts'
import type { GivenSession } from './doors.ts'
import type { DiskEvent, RelayEvent, ThreadEvent } from './event.ts'
import type { Host } from './forward.ts'
import type { RelayRequestRecord } from './http/plane.ts'
import type { KernelEvent } from './kernel/event.ts'
import type { KernelCounts } from './kernel/kernel.ts'
import type { FlowPage, OpenPassed } from './live.ts'
import type { NameEvent, ResolveName } from './names.ts'
import type { OverlayReading, OverlaySource } from './overlay-reader.ts'
import type { BoundHandle, ListenAddress } from './place.ts'
import type { FlowRecord } from './record.ts'
import type { Reloaded } from './reload.ts'

export interface RelayOptions {
  /** May hold the edge's part too; it is left aside. */
  readonly config: Config
  /** Values for `${NAME}` in endpoint addresses. */
  readonly variables: Variables
  /** Called once for each connection accepted, when it is over. */
  readonly onRecord: (record: FlowRecord) => void
  /** Called once for each request of an `http` listener, when its answer has left. */
  readonly onRequest?: (record: RelayRequestRecord) => void
  /** The first signs cookies, all are believed. Default none: they are not signed. */
  readonly cookieKeys?: readonly string[]
  /** Called when a probe or an operator changes the state of an endpoint. */
  readonly onEvent?: (event: RelayEvent) => void
  /** Called when a thread dies, and when another has taken its place. */
  readonly onThread?: (event: ThreadEvent) => void
  /** Called when a name of endpoints has other addresses, or stops resolving. */
  readonly onName?: (event: NameEvent) => void
  /** Called when the stored answers on disk are known, and others are stored there too. */
  readonly onDisk?: (event: DiskEvent) => void
  /** Called when something happens to forwarding by the kernel. */
  readonly onKernel?: (event: KernelEvent) => void
  /** How names of endpoints become addresses. Default: DNS, then the system. */
  readonly resolveName?: ResolveName
  /** Listening sockets that another relay hands over, by `placeKey`; what a listener uses is taken out. */
  readonly inherited?: Map<string, readonly BoundHandle[]>
  /** Called when changed files cannot be used; what was there before stays in use. Default: a warning of the process. */
  readonly onProblem?: (problem: Problem) => void
  /** Where the overlay is read that this relay lays over its table. Default: it is alone. */
  readonly overlay?: OverlaySource
  /** Called when the overlay cannot be read, or can be again (undefined), and when another one is in force. */
  readonly onOverlay?: (event: OverlayEvent) => void
  readonly draw?: () => Draw
  readonly host?: Partial<Host>
  /** In place of what the config says; one when `draw` or `host` is given, since functions cannot go to a thread. */
  readonly threads?: number
}

export interface OverlayEvent {
  /** ISO 8601 in UTC. */
  readonly time: string
  readonly event: 'overlay_changed' | 'overlay_lost' | 'overlay_read_again'
  /** In force from now on; 0 for none. */
  readonly version: number
  /** `kind name` of what a change of this config has retired, and of what it does not have. */
  readonly retired: readonly string[]
  readonly ignored: readonly string[]
  /** Why it cannot be read; null when it can. */
  readonly why: string | null
}

/** The overlay as this relay has it. */
export interface OverlayState extends Pick<OverlayEvent, 'version' | 'retired' | 'ignored'> {
  /** Null for a relay that is alone. */
  readonly source: OverlayReading | null
  readonly overlay: Overlay
}

/** A split as it is in force; who owns which slot is left out. */
export type SplitTold = Omit<SplitStatus, 'slots'>

/** A session on its way from one relay to another. */
export interface HandedSession extends Omit<GivenSession, 'listener'> {
  /** `placeKey` of its listener, and which of the sockets there it came to. */
  readonly place: string
}

export interface Relay {
  /**
   * Hears nothing more of the clients of `udp` listeners, and gives their sessions, for a relay that takes over. What comes
   * in between waits in the sockets. Then `stop` with `isHandedOver`, or `resumeSessions`.
   */
  readonly pauseSessions: () => Promise<readonly HandedSession[]>
  readonly resumeSessions: () => void
  /** Leaves what the kernel forwards as it is while another relay takes over. */
  readonly standBack: (isBack: boolean) => void
  /**
   * Takes up sessions of the relay before, and hears from then on what comes in at inherited sockets of `udp` listeners,
   * which wait for this. Gives how many could be taken up: of all others the next datagram begins a new session.
   */
  readonly adoptSessions: (sessions: readonly HandedSession[]) => Promise<number>
  /** Says that the inherited sockets are this relay's alone from now on: the one before will not go on with them. */
  readonly keepInherited: () => void
  /** What it holds, to be looked at. */
  readonly plane: Readonly<Plane>
  /** Listening sockets with their `placeKey`, to be handed over. */
  readonly listening: () => readonly (readonly [place: string, handle: BoundHandle])[]
  /**
   * Replaces the config: listeners are opened and closed, everything else changes by one pointer. Flows that have lost
   * their listener, rule, variant or endpoint may go on for `drainMs` (default 30 s), then they end with the reason
   * `drained`; nothing else is touched. Rejects with ConfigError, and then everything is as it was.
   */
  readonly reload: (config: Config, variables: Variables, drainMs?: number) => Promise<Reloaded>
  /** What that would do. Rejects with ConfigError as `reload` would, but for places that cannot be listened on. */
  readonly foresee: (config: Config, variables: Variables) => Promise<Reloaded>
  /** What each listener listens on, by its name; the port as the system gave it where the config says 0. */
  readonly addresses: ReadonlyMap<string, ListenAddress>
  /** By listener name, as of now. */
  readonly counts: ReadonlyMap<string, Readonly<ListenerCounts>>
  /** What the kernel has counted of listeners with mode `nat` or `dsr`. */
  readonly kernelCounts: () => Promise<KernelCounts>
  /** What was counted of the requests of `http` listeners, as Prometheus reads it. */
  readonly requestMetrics: () => Promise<string>
  /** Open flows of all threads, oldest first, those with an id above `after`, at most `limit`. */
  readonly flows: (after: number, limit: number) => Promise<FlowPage>
  /** Passed on so far by the flows that are open. */
  readonly passed: () => Promise<OpenPassed>
  readonly threads: { readonly count: number; readonly lost: number }
  /**
   * Ends a thread, by its number from 0, as a crash would: its flows are lost and another takes its place. False where
   * the main thread has the doors itself, or has no such thread.
   */
  readonly endThread: (thread: number) => boolean
  /**
   * Sends nothing new to the endpoint (`pool/name`). What is open goes on, and is reset after `drainMs` (default 30 s,
   * reason `drained`). False when the table has no such endpoint.
   */
  readonly drain: (endpointId: string, drainMs?: number) => boolean
  /** Takes a drain back; what its probes say holds again. False when the table has no such endpoint. */
  readonly undrain: (endpointId: string) => boolean
  /** Forgets what this relay has stored of answers; resolves when every thread has. */
  readonly purge: (of: PurgeOf) => Promise<void>
  readonly overlay: () => OverlayState
  /** The weights in force of each split. */
  readonly splits: () => readonly SplitTold[]
  /**
   * Stops accepting, lets open flows finish, and resets after `drainMs` what is still open (reason `drained`). Resolves
   * when every flow has left its record. A second call waits for the first, and may be more impatient.
   *
   * With `isHandedOver` another relay has the listening sockets: the files of those on unix sockets stay, and so does what
   * the kernel forwards. With `leavesKernel` that stays too, for a relay that is started later.
   */
  readonly stop: (options: {
    readonly drainMs: number
    readonly isHandedOver?: boolean
    readonly leavesKernel?: boolean
    /** Called when no listener takes connections any more. */
    readonly onRefusing?: () => void
  }) => Promise<void>
}
