// The memory sockets read into: each has a small buffer of its own, and a large one, from here, while much is coming.
// One for all sockets of a thread would not do: a write that the system does not take at once keeps its memory in use,
// and the next socket would read over it.

/** A small request or answer; an idle flow holds two of these. */
export const smallBytes = 1024
/** The high-water mark of one direction of a flow: what was read there and not yet taken by the other side's socket. */
export const largeBytes = 256 * 1024

export function takeLarge(): Buffer<ArrayBuffer> {
  return spare.pop() ?? Buffer.allocUnsafeSlow(largeBytes)
}

/** For the next `takeLarge`. Nothing may read into it or write from it any more. */
export function spareLarge(buffer: Buffer<ArrayBuffer>): void {
  if (spare.length < mostSpare) spare.push(buffer)
}

const spare: Buffer<ArrayBuffer>[] = []
const mostSpare = 32
