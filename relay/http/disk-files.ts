// One stored answer as two files: its head, which names the body's file, and the body in blocks, each with a checksum of
// its own, so that no byte leaves that was not looked at. A head is written beside and renamed: it is there whole or not.

import { createHash, hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import * as z from 'zod/mini'
import type { StoredAnswer } from '../../shared/cache/stored.ts'
import { isFieldValue, isToken } from '../../shared/config/tokens.ts'

/** What stands under a key. */
export type DiskSlot =
  | { readonly is: 'answer'; readonly stored: StoredAnswer; readonly stamp: string; readonly bytes: number }
  | { readonly is: 'index'; readonly names: readonly string[]; readonly word: string }

/** A file that says something else than it was given: it is of no use, and is removed. */
export class BrokenFile extends Error {}

/** The text of a head's file. */
export function headText(key: string, slot: DiskSlot): string {
  const text = JSON.stringify({ form, key, slot })
  return `${hash('sha256', text)}\n${text}`
}

/** @throws BrokenFile when it is not whole, of another form, or of another key */
export async function readHead(path: string, key: string | undefined): Promise<{ key: string; slot: DiskSlot }> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    if (size > mostHead) throw new BrokenFile('the head is too long')
    return parseHead((await file.readFile()).toString(), key)
  } finally {
    await file.close()
  }
}

function parseHead(text: string, key: string | undefined): { key: string; slot: DiskSlot } {
  const end = text.indexOf('\n')
  const rest = text.slice(end + 1)
  if (end === -1 || hash('sha256', rest) !== text.slice(0, end)) throw new BrokenFile('the head is damaged')
  let said: unknown
  try {
    said = JSON.parse(rest)
  } catch {
    throw new BrokenFile('the head is no JSON')
  }
  const parsed = headSchema.safeParse(said)
  if (!parsed.success) throw new BrokenFile('the head is of another form')
  if (key !== undefined && parsed.data.key !== key) throw new BrokenFile('the head is of another key')
  return parsed.data as { key: string; slot: DiskSlot }
}

/** The bytes of a body's file. */
export function bodyBlocks(body: Buffer, stamp: string): readonly Buffer[] {
  const blocks: Buffer[] = []
  for (let at = 0; at < body.length; at += blockBytes) {
    const block = body.subarray(at, at + blockBytes)
    blocks.push(checksum(block, stamp, at / blockBytes), block)
  }
  return blocks
}

/** How long the file of a body is. */
export function bytesInFile(bytes: number): number {
  return bytes + Math.ceil(bytes / blockBytes) * checksumBytes
}

/** Opens the file of a body. Throws BrokenFile when it has another length. */
export async function openBody(path: string, bytes: number): Promise<FileHandle> {
  const file = await open(path, 'r')
  const { size } = await file.stat()
  if (size === bytesInFile(bytes)) return file
  await file.close()
  throw new BrokenFile('the body has another length')
}

/** One block. Throws BrokenFile when it is not what was written. */
export async function readBlock(file: FileHandle, stamp: string, bytes: number, index: number): Promise<Buffer> {
  const length = Math.min(blockBytes, bytes - index * blockBytes)
  const piece = Buffer.allocUnsafe(checksumBytes + length)
  const { bytesRead } = await file.read(piece, 0, piece.length, index * (checksumBytes + blockBytes))
  const block = piece.subarray(checksumBytes)
  const isWhole = bytesRead === piece.length
  if (isWhole && checksum(block, stamp, index).equals(piece.subarray(0, checksumBytes))) return block
  throw new BrokenFile('the body is damaged')
}

/** The whole body. Throws BrokenFile as `readBlock` does. */
export async function readBody(file: FileHandle, stamp: string, bytes: number): Promise<Buffer> {
  const blocks: Buffer[] = []
  for (let index = 0; index * blockBytes < bytes; index++) blocks.push(await readBlock(file, stamp, bytes, index))
  return Buffer.concat(blocks)
}

/** With the file and the place in it: a block that stands elsewhere is another one. */
function checksum(block: Buffer, stamp: string, index: number): Buffer {
  return createHash('sha256').update(`${stamp} ${index}\n`).update(block).digest().subarray(0, checksumBytes)
}

/** Raised when what stands in the files changes its meaning: those of another form are removed. */
const form = 1
const checksumBytes = 16
export const blockBytes = 65_536
/** More than any answer's header that the relay takes, and its key. */
export const mostHead = 1_048_576

const when = z.number().check(z.nonnegative())
const fieldName = z.string().check(z.refine(isToken))
const fieldValue = z.string().check(z.refine(isFieldValue))
const storedSchema = z.strictObject({
  status: z.int().check(z.gte(200), z.lte(599)),
  fields: z.array(z.tuple([fieldName, fieldValue])),
  receivedAt: when,
  initialAgeMs: when,
  lifetimeMs: when,
  noCache: z.boolean(),
  mustRevalidate: z.boolean(),
  staleWhileRevalidateMs: when,
  staleIfErrorMs: when,
  vary: z.array(z.tuple([z.string(), z.nullable(z.string())])),
  url: z.string(),
  tags: z.array(z.string()),
}) satisfies z.ZodMiniType<StoredAnswer>
const headSchema = z.strictObject({
  form: z.literal(form),
  key: z.string(),
  slot: z.discriminatedUnion('is', [
    z.strictObject({
      is: z.literal('answer'),
      stored: storedSchema,
      stamp: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
      bytes: z.int().check(z.nonnegative()),
    }),
    z.strictObject({ is: z.literal('index'), names: z.array(z.string()), word: z.string() }),
  ]),
})
