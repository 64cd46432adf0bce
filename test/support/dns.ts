// DNS messages as tests send and read them (RFC 1035 section 4).

/** A question for A records. */
export function dnsQuestion(id: number, name: string): Buffer {
  const labels = name.split('.').map(label => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]))
  return Buffer.concat([Buffer.of(id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0), ...labels, typeAAndClass])
}

/** The id of an answer and the address at its end, where it has one address. */
export function dnsAnswer(message: Uint8Array): readonly [id: number, address: string] {
  return [message[0]! * 256 + message[1]!, message.subarray(-4).join('.')]
}

/** Of the root's empty label, then A and IN. */
const typeAAndClass = Buffer.of(0, 0, 1, 0, 1)
