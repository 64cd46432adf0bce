// ClientHellos made by hand, field by field (RFC 8446 section 4.1.2), for tests that need one no real client sends.

/** A whole one, as a client would send it. */
export function clientHello(asked: {
  readonly sni?: string | undefined
  readonly alpn?: readonly string[] | undefined
  readonly isNameLast?: boolean
}): Buffer {
  const extensions = [
    ...(asked.sni === undefined ? [] : [nameExtension(asked.sni)]),
    ...(asked.alpn === undefined ? [] : [alpn(asked.alpn)]),
  ]
  return helloOf(asked.isNameLast === true ? extensions.reverse() : extensions)
}

/** The message in records of these sizes, over and over. */
export function recorded(message: Buffer, sizes: readonly number[]): Buffer {
  const records: Buffer[] = []
  for (let at = 0, turn = 0; at < message.length; turn++) {
    const part = message.subarray(at, at + sizes[turn % sizes.length]!)
    records.push(Buffer.of(22, 3, 1, part.length >> 8, part.length & 255), part)
    at += part.length
  }
  return Buffer.concat(records)
}

export function handshake(body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(1, 0, body.length >> 8, body.length & 255), body])
}

export function helloOf(extensions: readonly Buffer[]): Buffer {
  return recorded(handshake(Buffer.concat([head, lengthed(2, Buffer.concat(extensions))])), [16_384])
}

export function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type >> 8, type & 255), lengthed(2, body)])
}

export function nameExtension(name: string): Buffer {
  return extension(0, lengthed(2, hostName(name)))
}

export function hostName(name: string): Buffer {
  return Buffer.concat([Buffer.of(0), lengthed(2, Buffer.from(name, 'latin1'))])
}

export function alpn(protocols: readonly string[]): Buffer {
  return extension(16, lengthed(2, Buffer.concat(protocols.map(name => lengthed(1, Buffer.from(name, 'latin1'))))))
}

export function lengthed(bytes: 1 | 2, body: Buffer): Buffer {
  return Buffer.concat([bytes === 1 ? Buffer.of(body.length) : Buffer.of(body.length >> 8, body.length & 255), body])
}

/** Version, random, no session id, one cipher suite, no compression: all that comes before extensions. */
export const head = Buffer.concat([Buffer.of(3, 3), Buffer.alloc(32), Buffer.of(0, 0, 2, 0x13, 0x01, 1, 0)])
