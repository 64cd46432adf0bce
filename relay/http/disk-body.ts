// The body of an answer that stands on disk: its file is open, so that it can be read to its end whatever becomes of the
// answer in the meantime, and each block is looked at before it goes out.

import type { FileHandle } from 'node:fs/promises'
import { Body } from './body.ts'
import { blockBytes, readBlock } from './disk-files.ts'

export class DiskBody {
  /** Without checksums. */
  readonly length: number
  readonly stamp: string
  private readonly file: FileHandle
  private readonly first: Buffer
  private readonly onBroken: () => void
  private isReleased = false

  /**
   * @param first its first block, which was looked at already
   * @param onBroken a later one is not what was written
   */
  constructor(file: FileHandle, stamp: string, length: number, first: Buffer, onBroken: () => void) {
    this.file = file
    this.stamp = stamp
    this.length = length
    this.first = first
    this.onBroken = onBroken
  }

  /** The bytes from `from` to `to`, both included, as they are taken. They break off where the file is damaged. */
  part(from: number, to: number): Body {
    let index = Math.floor(from / blockBytes)
    let isReading = false
    let isWanted = false
    const read = async () => {
      if (isReading) return
      isReading = true
      while (isWanted && body.state === 'open') {
        const block = index === 0 ? this.first : await readBlock(this.file, this.stamp, this.length, index)
        const start = index * blockBytes
        index += 1
        if (body.state !== 'open') break
        isWanted = body.push(block.subarray(Math.max(0, from - start), to + 1 - start))
        if (index * blockBytes > to) {
          body.finish(undefined)
          this.release()
        }
      }
      isReading = false
    }
    const body: Body = new Body({
      begin: nothing,
      resumeReading: () => {
        isWanted = true
        read().catch(() => {
          this.release()
          this.onBroken()
          body.break()
        })
      },
      cancelReading: () => this.release(),
    })
    return body
  }

  /** Nobody reads it any more. */
  release(): void {
    if (this.isReleased) return
    this.isReleased = true
    this.file.close().catch(nothing)
  }
}

function nothing(): void {}
