// IP addresses and CIDRs as text and as numbers: strict reading, one canonical writing, and the key that stands for a
// client. Nothing here throws on any input: what is not an address is `undefined`.

export interface Address {
  readonly family: 4 | 6
  /** Canonical: dotted decimal, or RFC 5952 for IPv6 (no brackets, no zone). Equal addresses have equal texts. */
  readonly text: string
  /** Unsigned 32-bit words, most significant first: one for IPv4, four for IPv6. */
  readonly words: readonly number[]
}

export interface Cidr {
  readonly family: 4 | 6
  /** Canonical: `10.0.0.0/8`, `2001:db8::/32`. */
  readonly text: string
  readonly prefix: number
  /** The network's first address; bits beyond the prefix are 0. */
  readonly words: readonly number[]
  /** One mask for each word. */
  readonly masks: readonly number[]
}

export interface HostPort {
  /** A canonical IP literal without brackets, or a name in lower case without trailing dot. */
  readonly host: string
  /** 0 to 65,535; a listener on port 0 gets any free port. */
  readonly port: number
}

/**
 * Reads one IPv4 or IPv6 address. IPv4 is four decimal numbers without leading zeros (`010` is octal to some readers);
 * IPv6 is any of the text forms of RFC 4291 section 2.2. An IPv4-mapped address (`::ffff:a.b.c.d`) becomes IPv4, so that
 * a dual-stack socket cannot walk round a CIDR. Zone ids, brackets, ports and spaces are refused.
 */
export function parseAddress(text: string): Address | undefined {
  if (text.length < 2 || text.length > longestAddress) return undefined
  if (!text.includes(':')) {
    const word = parseV4(text, 0)
    return word === undefined ? undefined : { family: 4, text: formatV4(word), words: [word] }
  }
  const words = parseV6(text)
  return words === undefined ? undefined : addressOf(words)
}

/** The address of one word (IPv4) or four (IPv6, or IPv4 when it is a mapped one). */
export function addressOf(words: readonly number[]): Address {
  if (words.length === 1) return { family: 4, text: formatV4(words[0]!), words }
  if (isMapped(words)) return { family: 4, text: formatV4(words[3]!), words: [words[3]!] }
  return { family: 6, text: formatV6(words), words }
}

/**
 * Reads `10.0.0.0/8`, `2001:db8::/32`, or a plain address as /32 or /128. Bits beyond the prefix are masked off, as
 * HAProxy, nginx and Envoy do (`10.0.0.1/8` is `10.0.0.0/8`); compare `text` with what was written to warn about it.
 * A mapped network (`::ffff:10.0.0.0/104`) becomes IPv4; one that is mapped but shorter than /96 is refused.
 */
export function parseCidr(text: string): Cidr | undefined {
  if (text.length > longestAddress + 4) return undefined
  const slash = text.indexOf('/')
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const bits = address.family === 4 ? 32 : 128
  let prefix = bits
  if (slash !== -1) {
    const written = text.slice(slash + 1)
    if (!/^(?:0|[1-9]\d{0,2})$/.test(written)) return undefined
    prefix = Number(written)
    // Written as IPv6, read as IPv4: the prefix counts the 96 bits of ::ffff:0:0 too.
    if (address.family === 4 && text.includes(':')) prefix -= 96
    if (prefix < 0 || prefix > bits) return undefined
  }
  const masks = address.words.map((_, index) => maskWord(prefix - 32 * index))
  const words = address.words.map((word, index) => (word & masks[index]!) >>> 0)
  const network = address.family === 4 ? formatV4(words[0]!) : formatV6(words)
  return { family: address.family, text: `${network}/${prefix}`, prefix, words, masks }
}

/** Those of a list that can be read: for texts that were judged before. */
export function parseCidrs(texts: readonly string[]): Cidr[] {
  return texts.map(parseCidr).filter(cidr => cidr !== undefined)
}

/** Whether the address lies in the network. Families never mix: `::/0` holds no IPv4 address. */
export function cidrContains(cidr: Cidr, address: Address): boolean {
  if (cidr.family !== address.family) return false
  const { words, masks } = cidr
  for (let index = 0; index < words.length; index++) {
    if (((address.words[index]! ^ words[index]!) & masks[index]!) !== 0) return false
  }
  return true
}

/** 127.0.0.0/8 (RFC 1122 section 3.2.1.3) and ::1; a mapped ::ffff:127.0.0.1 was read as IPv4. */
export function isLoopback(address: Address): boolean {
  const { words } = address
  if (address.family === 4) return words[0]! >>> 24 === 127
  return words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 1
}

/**
 * The text that stands for a client in splits, hashes and per-address limits: an IPv4 address whole, an IPv6 address as
 * its /64 (`2001:db8::/64`), since one household or phone walks through its /64 freely (RFC 8981).
 */
export function splitKeyOf(address: Address): string {
  if (address.family === 4) return address.text
  return `${formatV6([address.words[0]!, address.words[1]!, 0, 0])}/64`
}

/**
 * Reads `127.0.0.1:5432`, `[::1]:80` or `name:80`. The port is required. IPv6 needs its brackets. A name is labels of
 * letters, digits, `-` and `_`, at most 253 characters; one whose last label is a number (`1.2.3`, `010.0.0.1`) is a
 * mistyped IPv4 address and refused, as in the WHATWG URL standard ("ends in a number").
 */
export function parseHostPort(text: string): HostPort | undefined {
  if (text.length > longestName + 7) return undefined
  const colon = text.lastIndexOf(':')
  if (colon < 1) return undefined
  const digits = text.slice(colon + 1)
  if (!/^(?:0|[1-9]\d{0,4})$/.test(digits)) return undefined
  const port = Number(digits)
  if (port > 65_535) return undefined
  if (text.startsWith('[')) {
    if (text[colon - 1] !== ']') return undefined
    const literal = text.slice(1, colon - 1)
    const address = literal.includes(':') ? parseAddress(literal) : undefined
    return address === undefined ? undefined : { host: address.text, port }
  }
  const host = text.slice(0, colon)
  const address = host.includes(':') ? undefined : parseAddress(host)
  if (address !== undefined) return { host: address.text, port }
  const name = parseName(host)
  return name === undefined ? undefined : { host: name, port }
}

/** What is wrong with the path of a unix socket, as the end of a sentence; undefined when nothing is. */
export function socketPathProblem(path: string): string | undefined {
  if (!/^\/(?!\/)/.test(path)) return 'the path of a socket begins with one slash: unix:/run/app.sock'
  if (path.endsWith('/')) return 'a socket is not a folder'
  if (!/^[\x21-\x7e]+$/.test(path)) return 'the path of a socket is in plain characters without spaces'
  return path.length > longestSocketPath
    ? `the path of a socket has at most ${longestSocketPath} characters`
    : undefined
}

/** As the config writes it: `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock` (a host that is a path has no port). */
export function formatHostPort(host: string, port: number): string {
  if (host.startsWith('/')) return `unix:${host}`
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Dotted decimal from `start` to the end of the text. */
function parseV4(text: string, start: number): number | undefined {
  let word = 0
  let octet = -1
  let octets = 0
  for (let at = start; at <= text.length; at++) {
    const code = at === text.length ? dot : text.charCodeAt(at)
    if (code === dot) {
      if (octet === -1) return undefined
      word = word * 256 + octet
      octets += 1
      octet = -1
      if (octets === 4) return at === text.length ? word : undefined
    } else if (code >= 0x30 && code <= 0x39) {
      if (octet === 0) return undefined
      octet = octet === -1 ? code - 0x30 : octet * 10 + code - 0x30
      if (octet > 255) return undefined
    } else return undefined
  }
  return undefined
}

/** Four words, or undefined. `::` stands for at least one group (RFC 4291 section 2.2). */
function parseV6(text: string): number[] | undefined {
  const groups: number[] = []
  let gap = -1
  let at = 0
  if (text.startsWith('::')) {
    gap = 0
    at = 2
  } else if (text.startsWith(':')) return undefined
  while (at < text.length) {
    if (groups.length === 8) return undefined
    let group = 0
    let digits = 0
    while (at + digits < text.length) {
      const digit = hexDigit(text.charCodeAt(at + digits))
      if (digit === -1) break
      if (digits === 4) return undefined
      group = group * 16 + digit
      digits += 1
    }
    const end = at + digits
    if (digits > 0 && text.charCodeAt(end) === dot) {
      const tail = parseV4(text, at)
      if (tail === undefined) return undefined
      groups.push(tail >>> 16, tail & 0xffff)
      break
    }
    if (digits === 0) return undefined
    groups.push(group)
    if (end === text.length) break
    if (text.charCodeAt(end) !== colonCode) return undefined
    at = end + 1
    if (text.charCodeAt(at) === colonCode) {
      if (gap !== -1) return undefined
      gap = groups.length
      at += 1
    } else if (at === text.length) return undefined
  }
  if (gap === -1 ? groups.length !== 8 : groups.length > 7) return undefined
  const missing = 8 - groups.length
  const groupAt = (index: number): number => {
    if (gap === -1 || index < gap) return groups[index]!
    return index < gap + missing ? 0 : groups[index - missing]!
  }
  return [0, 2, 4, 6].map(index => groupAt(index) * 0x1_0000 + groupAt(index + 1))
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** ::ffff:0:0/96, RFC 4291 section 2.5.5.2. */
function isMapped(words: readonly number[]): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff
}

function formatV4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

/**
 * RFC 5952 section 4: lower case, no leading zeros, `::` for the longest run of two or more zero groups, the first of
 * equals. Hex throughout: the mixed notation of section 5 is only recommended for prefixes known to hold IPv4.
 */
function formatV6(words: readonly number[]): string {
  const groups = words.flatMap(word => [word >>> 16, word & 0xffff])
  let longest = 1
  let start = -1
  for (let at = 0; at < 8; at++) {
    let end = at
    while (end < 8 && groups[end] === 0) end += 1
    if (end - at > longest) {
      longest = end - at
      start = at
    }
    at = end
  }
  const hex = groups.map(group => group.toString(16))
  if (start === -1) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + longest).join(':')}`
}

/** The first `bits` bits of a word set; a shift by 32 would be a shift by 0. */
function maskWord(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? 0xffff_ffff : (0xffff_ffff << (32 - bits)) >>> 0
}

function parseName(text: string): string | undefined {
  const name = text.endsWith('.') ? text.slice(0, -1) : text
  if (name.length === 0 || name.length > longestName) return undefined
  const labels = name.toLowerCase().split('.')
  if (!labels.every(label => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) return undefined
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) return undefined
  return labels.join('.')
}

/** `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255` (INET6_ADDRSTRLEN without its end mark). */
const longestAddress = 45
/** RFC 1035 section 2.3.4, without the root's dot. */
const longestName = 253
/** `sun_path` has 104 bytes on macOS and 108 on Linux, the end mark among them (unix(7)). */
const longestSocketPath = 103
const dot = 0x2e
const colonCode = 0x3a
