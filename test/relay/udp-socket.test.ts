// The socket on Node's handle, with a handle that the test moves where the system would not: no room to send.

import { expect, test } from 'vitest'
import { UdpSocket } from '../../relay/udp-socket.ts'
import { udpEndpoint, until } from './udp-lab.ts'

/** As the system answers: so many bytes and one at once, 0 for later, less for an error. */
function handleThat(answer: (list: readonly Uint8Array[]) => number) {
  const waiting: { request: object; bytes: number }[] = []
  return {
    waiting,
    closed: 0,
    fd: 3,
    getsockname: (out: { family?: string }) => {
      out.family = 'IPv4'
      return 0
    },
    send(request: object, list: Uint8Array[], count: number) {
      const parts = list.slice(0, count)
      const result = answer(parts)
      if (result === 0) waiting.push({ request, bytes: parts.reduce((sum, { length }) => sum + length, 0) })
      return result
    },
    getSendQueueCount: () => waiting.length,
    getSendQueueSize: () => waiting.reduce((sum, { bytes }) => sum + bytes, 0),
    recvStart: () => 0,
    recvStop: () => 0,
    close() {
      this.closed += 1
    },
  }
}

const later = 0
const EPERM = -1

test('what the system does not take at once waits, up to 1,024 datagrams, each with a request of its own', () => {
  const handle = handleThat(() => later)
  const socket = UdpSocket.of(handle)
  const sent = Array.from({ length: 1_500 }, (_, at) => socket.send(Buffer.from([at & 255])))
  expect(sent.filter(error => error === undefined)).toHaveLength(1_024)
  expect(sent.filter(error => error === 'ENOBUFS')).toHaveLength(476)
  const requests = handle.waiting.map(({ request }) => request)
  expect(new Set(requests).size).toBe(1_024)
  // The bytes have to stay as long as the system may still read them.
  expect((requests[7] as { list: Uint8Array[] }).list[0]).toEqual(Buffer.from([7]))
})

test('or up to a MiB, and goes on once there is room', () => {
  let answer = later
  const handle = handleThat(list => (answer === later ? later : list[0]!.length + 1))
  const socket = UdpSocket.of(handle)
  const big = Buffer.alloc(65_507)
  const sent = Array.from({ length: 30 }, () => socket.sendBehind(Buffer.alloc(20), big))
  expect(sent.filter(error => error === undefined)).toHaveLength(17)
  handle.waiting.length = 0
  answer = 1
  expect(socket.send(big)).toBeUndefined()
  expect(handle.waiting).toHaveLength(0)
})

test("an error is the system's word for it", () => {
  const socket = UdpSocket.of(handleThat(() => EPERM))
  expect(socket.send(Buffer.alloc(1))).toBe('EPERM')
})

test('it is closed once, and hears nothing after that', () => {
  const handle = handleThat(() => 1)
  const socket = UdpSocket.of(handle)
  socket.close()
  socket.close()
  expect(handle.closed).toBe(1)
})

test('over IPv6 too, and an error of a longer datagram than UDP carries', async () => {
  const six = new UdpSocket(6)
  expect(six.bind('::1', 0)).toBeUndefined()
  const heard: string[] = []
  six.onDatagram = (bytes, address, port) => {
    heard.push(Buffer.from(bytes).toString())
    six.sendTo(Buffer.from('back'), address, port)
  }
  six.listen()
  const client = new UdpSocket(6)
  expect(client.connect('::1', six.local().port)).toBeUndefined()
  const back: string[] = []
  client.onDatagram = bytes => back.push(Buffer.from(bytes).toString())
  client.listen()
  expect(client.sendBehind(Buffer.from('a'), Buffer.from('b'))).toBeUndefined()
  await until(() => back.length === 1)
  expect([heard, back]).toEqual([['ab'], ['back']])
  expect(client.send(Buffer.alloc(70_000))).toBe('EMSGSIZE')
  for (const socket of [six, client]) socket.close()
})

test('what ICMP said is told once: as trouble, or with the next datagram, which was not sent', async () => {
  const gone = await udpEndpoint(() => undefined)
  const { port } = gone
  gone.socket.close()
  const socket = new UdpSocket(4)
  const told: string[] = []
  socket.onTrouble = error => told.push(error)
  expect(socket.connect('127.0.0.1', port) ?? socket.listen()).toBeUndefined()
  socket.send(Buffer.from('1'))
  // Loopback answers before the call returns.
  const error = socket.send(Buffer.from('2'))
  if (error !== undefined) expect(error).toBe('ECONNREFUSED')
  await until(() => told.length + (error === undefined ? 0 : 1) >= 1)
  expect(new Set(told)).toEqual(new Set(told.length > 0 ? ['ECONNREFUSED'] : []))
  socket.close()
})
