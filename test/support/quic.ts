// QUIC packets as far as they are not encrypted: their headers, with bytes behind that nobody reads.

export const id = (text: string) => Buffer.from(text, 'hex')

/** RFC 9000 section 17.2: first byte, version, both ids with their lengths, and more that nobody reads here. */
export function long(destination: string, source: string, version = 1, type = 0): Buffer {
  const [to, from] = [id(destination), id(source)]
  const head = Buffer.from([0xc0 | (type << 4), 0, 0, 0, version])
  return Buffer.concat([head, Buffer.from([to.length]), to, Buffer.from([from.length]), from, Buffer.alloc(20, 7)])
}

export function short(destination: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), id(destination), Buffer.alloc(20, 9)])
}
