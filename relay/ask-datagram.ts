// One probe by UDP: a datagram is sent, and the first one that comes back has to begin as the probe says.

import { bytesOf } from '../shared/config/bytes-text.ts'
import { type EndpointAddress, isIpLiteral } from '../shared/config/endpoint-address.ts'
import type { ProbeConfig } from '../shared/config/parsed.ts'
import { formatDuration } from '../shared/config/units.ts'
import { startAnswerTimeout } from './answer-timeout.ts'
import { UdpSocket } from './udp-socket.ts'

/**
 * Resolves with undefined when the probe passed, else with why not, in a few words. The socket is closed by then.
 *
 * @param opening the PROXY header, in front of the payload
 * @param stop ends it early; what it then resolves with says nothing about the endpoint
 * @param from an address of this machine to ask from, in place of the one that the system picks
 */
export function askDatagram(
  { host, ip = host, port }: EndpointAddress,
  probe: ProbeConfig,
  opening: Uint8Array | undefined,
  stop: AbortSignal,
  from?: string,
): Promise<string | undefined> {
  if (!isIpLiteral(ip)) return Promise.resolve('ENOTFOUND')
  const socket = new UdpSocket(ip.includes(':') ? 6 : 4)
  const payload = bytesOf(probe.payload)
  const expected = bytesOf(probe.expect)
  return new Promise(resolve => {
    const done = (why: string | undefined) => {
      heard()
      stop.removeEventListener('abort', end)
      socket.close()
      resolve(why)
    }
    const end = () => done('stopped')
    const heard = startAnswerTimeout(probe.timeoutMs, () => done(`no answer within ${formatDuration(probe.timeoutMs)}`))
    stop.addEventListener('abort', end, { once: true })
    socket.onDatagram = bytes => done(beginsWith(bytes, expected) ? undefined : `answered ${show(bytes)}`)
    socket.onTrouble = done
    const send = () => (opening === undefined ? socket.send(payload) : socket.sendBehind(opening, payload))
    const bound = from === undefined ? undefined : socket.bind(from, 0)
    const error = bound ?? socket.connect(ip, port) ?? socket.listen() ?? send()
    if (error !== undefined) done(error)
  })
}

function beginsWith(bytes: Uint8Array, expected: Uint8Array): boolean {
  return expected.every((byte, at) => bytes[at] === byte)
}

function show(bytes: Uint8Array): string {
  return `${Buffer.from(bytes.subarray(0, mostShown)).toString('hex')}${bytes.length > mostShown ? '…' : ''}`
}

const mostShown = 16
