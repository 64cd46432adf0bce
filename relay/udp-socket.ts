// A UDP socket on Node's own handle. `dgram` makes an event, an object and a callback of every datagram; here a datagram
// that came in is sent on by one call and without a copy, and only one that the system does not take at once costs more.

import { getSystemErrorName } from 'node:util'

/** What the system said in place of doing it: `ECONNREFUSED`, `EMFILE`, … */
export type SystemError = string

export class UdpSocket {
  readonly family: 4 | 6
  /** Called with each datagram, an empty one too. The bytes are the callee's to keep. */
  onDatagram: (bytes: Uint8Array, address: string, port: number) => void = nothing
  /** Called when the system tells of trouble in place of a datagram: mostly what ICMP said of one sent before. */
  onTrouble: (error: SystemError) => void = nothing
  private readonly handle: Handle
  /** Handed to the system with each datagram; of no use again once the system has kept one to send it later. */
  private request = new binding.SendWrap()
  private one: Uint8Array[] = [noBytes]
  private two: Uint8Array[] = [noBytes, noBytes]
  private isQueueing = false
  private isClosed = false

  /** One that is bound already. */
  static of(handle: object): UdpSocket {
    const out = { family: '' }
    ;(handle as Handle).getsockname(out)
    return new UdpSocket(out.family === 'IPv6' ? 6 : 4, handle as Handle)
  }

  constructor(family: 4 | 6, handle: Handle = new binding.UDP(binding.constants.SOCKET)) {
    this.family = family
    this.handle = handle
    this.handle.onmessage = (count, _, bytes, from) => {
      if (count < 0) this.onTrouble(getSystemErrorName(count))
      else this.onDatagram(bytes!, from!.address, from!.port)
    }
  }

  /** What another thread or process may be given. */
  get raw(): object {
    return this.handle
  }

  /** Of the file descriptor; negative once it is closed. */
  get descriptor(): number {
    return this.handle.fd
  }

  bind(address: string, port: number): SystemError | undefined {
    const { handle } = this
    return errorOf(this.family === 4 ? handle.bind(address, port, 0) : handle.bind6(address, port, 0))
  }

  /** Takes a local port too. From then on only that peer is heard. */
  connect(address: string, port: number): SystemError | undefined {
    const { handle } = this
    return errorOf(this.family === 4 ? handle.connect(address, port) : handle.connect6(address, port))
  }

  /** Begins to hear. Datagrams wait in the system before, as many as fit there. */
  listen(): SystemError | undefined {
    return errorOf(this.handle.recvStart())
  }

  /** Hears nothing any more; datagrams wait in the system again. */
  pause(): void {
    this.handle.recvStop()
  }

  /** Asks for room in the system for datagrams that wait to be heard; it may give less. */
  makeRoom(bytes: number): void {
    this.handle.bufferSize(bytes, true, {})
  }

  /** Where it is bound. */
  local(): { readonly address: string; readonly port: number } {
    const out = { address: '', port: 0 }
    this.handle.getsockname(out)
    return out
  }

  /** To the peer that it is connected to. */
  send(bytes: Uint8Array): SystemError | undefined {
    if (this.isQueueing && this.isFull()) return 'ENOBUFS'
    this.one[0] = bytes
    const result = this.handle.send(this.request, this.one, 1, false)
    if (result > 0) return undefined
    return this.keptOrError(result)
  }

  /** The same, with bytes ahead of it. */
  sendBehind(ahead: Uint8Array, bytes: Uint8Array): SystemError | undefined {
    if (this.isQueueing && this.isFull()) return 'ENOBUFS'
    this.two[0] = ahead
    this.two[1] = bytes
    const result = this.handle.send(this.request, this.two, 2, false)
    if (result > 0) return undefined
    return this.keptOrError(result)
  }

  sendTo(bytes: Uint8Array, address: string, port: number): SystemError | undefined {
    if (this.isQueueing && this.isFull()) return 'ENOBUFS'
    const { handle } = this
    this.one[0] = bytes
    const result =
      this.family === 4
        ? handle.send(this.request, this.one, 1, port, address, false)
        : handle.send6(this.request, this.one, 1, port, address, false)
    if (result > 0) return undefined
    return this.keptOrError(result)
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.onDatagram = nothing
    this.onTrouble = nothing
    this.handle.close()
  }

  /** Below 0 it was not sent. At 0 the system had no room: the handle keeps it, and what it points to has to stay. */
  private keptOrError(result: number): SystemError | undefined {
    if (result < 0) return getSystemErrorName(result)
    Object.assign(this.request, { list: [...this.one, ...this.two] })
    this.request = new binding.SendWrap()
    this.isQueueing = true
    return undefined
  }

  private isFull(): boolean {
    const waiting = this.handle.getSendQueueCount()
    if (waiting === 0) this.isQueueing = false
    return waiting >= mostWaiting || this.handle.getSendQueueSize() >= mostBytesWaiting
  }
}

function errorOf(result: number): SystemError | undefined {
  return result < 0 ? getSystemErrorName(result) : undefined
}

function nothing(): void {}

/** Node's, as `dgram` uses it (lib/dgram.js, src/udp_wrap.cc). It checks its arguments by ending the process. */
interface Handle {
  onmessage: (
    count: number,
    handle: unknown,
    bytes: Uint8Array | undefined,
    from: { readonly address: string; readonly port: number } | undefined,
  ) => void
  readonly fd: number
  bind(address: string, port: number, flags: number): number
  bind6(address: string, port: number, flags: number): number
  connect(address: string, port: number): number
  connect6(address: string, port: number): number
  recvStart(): number
  recvStop(): number
  /** More than 0 when it was sent at once. */
  send(request: object, list: Uint8Array[], count: number, hasCallback: boolean): number
  send(request: object, list: Uint8Array[], count: number, port: number, address: string, hasCallback: boolean): number
  send6(request: object, list: Uint8Array[], count: number, port: number, address: string, hasCallback: boolean): number
  getsockname(out: object): number
  bufferSize(bytes: number, isForReceiving: boolean, context: object): number | undefined
  getSendQueueSize(): number
  getSendQueueCount(): number
  close(): void
}

/** There is no public way to these; `process.binding` is the one that Node keeps for such cases (DEP0111). */
const binding = (process as unknown as { binding: (name: string) => unknown }).binding('udp_wrap') as {
  readonly UDP: new (kind: number) => Handle
  readonly SendWrap: new () => object
  readonly constants: { readonly SOCKET: number }
}

const noBytes = new Uint8Array(0)
/** Of one socket, while the system has no room: more than a burst, and no more than a MiB or so of memory. */
const mostWaiting = 1_024
const mostBytesWaiting = 1_048_576
