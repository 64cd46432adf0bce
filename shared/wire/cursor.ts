// A bounded reader of bytes from the network. It never throws and never reads past its end: what is not there reads as 0
// or nothing, and `isShort` tells. So a parser reads straight on and asks once whether all of it was there.

export class Cursor {
  readonly bytes: Uint8Array
  readonly end: number
  at: number
  /** Something was read that is not there. Stays true. */
  isShort = false

  /** @param end not counted in; no further than the bytes go */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = start
    this.end = Math.min(end, bytes.length)
  }

  get left(): number {
    return this.end - this.at
  }

  u8(): number {
    return this.unsigned(1)
  }

  /** Network byte order, as all of them. */
  u16(): number {
    return this.unsigned(2)
  }

  u24(): number {
    return this.unsigned(3)
  }

  u32(): number {
    return this.unsigned(4)
  }

  skip(count: number): void {
    if (!this.has(count)) return
    this.at += count
  }

  /** The next bytes as a cursor of their own, which cannot read past them; an empty one when they are not all there. */
  take(count: number): Cursor {
    if (!this.has(count)) return new Cursor(this.bytes, this.at, this.at)
    const inside = new Cursor(this.bytes, this.at, this.at + count)
    this.at += count
    return inside
  }

  /** All that is left, one character for each byte (ISO 8859-1). */
  latin1(): string {
    let text = ''
    while (this.at < this.end) {
      text += String.fromCharCode(this.bytes[this.at]!)
      this.at += 1
    }
    return text
  }

  private unsigned(count: number): number {
    if (!this.has(count)) return 0
    let value = 0
    for (let i = 0; i < count; i++) value = value * 256 + this.bytes[this.at + i]!
    this.at += count
    return value
  }

  private has(count: number): boolean {
    if (count >= 0 && count <= this.end - this.at) return true
    this.isShort = true
    this.at = this.end
    return false
  }
}
