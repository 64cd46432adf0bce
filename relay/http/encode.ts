// A body compressed on its way to the client (RFC 9110 section 8.4.1).

import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { Encoding } from '../../shared/http/compress.ts'
import { Body, type Sink } from './body.ts'

/** The same body encoded as it comes. Each chunk is flushed: what the endpoint sent is not held back here. */
export function encodedBody(source: Body, encoding: Encoding): Body {
  const encoder = streams[encoding]()
  const sink: Sink = {
    write: chunk => {
      const mayGoOn = encoder.write(chunk)
      encoder.flush()
      return mayGoOn
    },
    // Trailers stay with what was said of the plain body.
    end: () => encoder.end(),
    abort: () => {
      encoder.destroy()
      body.break()
    },
    onDrain: nothing,
  }
  const body = new Body({
    begin: () => source.sendTo(sink),
    resumeReading: () => encoder.resume(),
    cancelReading: () => {
      encoder.destroy()
      source.cancel()
    },
  })
  encoder.on('drain', () => sink.onDrain())
  encoder.on('data', (chunk: Buffer) => {
    if (!body.push(chunk)) encoder.pause()
  })
  encoder.on('end', () => body.finish(undefined))
  encoder.on('error', () => body.break())
  encoder.pause()
  return body
}

/** The same bytes encoded, beside the main thread. */
export function encodeWhole(plain: Buffer, encoding: Encoding): Promise<Buffer> {
  return wholes[encoding](plain)
}

const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, BROTLI_PARAM_QUALITY, ZSTD_e_flush, ZSTD_c_compressionLevel } =
  zlib.constants
/** For text on the fly: what nginx's brotli module, nginx's gzip users and zstd itself take. */
const gzip = { level: 6, flush: Z_SYNC_FLUSH }
const brotli = { params: { [BROTLI_PARAM_QUALITY]: 4 } }
const zstd = { params: { [ZSTD_c_compressionLevel]: 3 } }

const streams: Readonly<Record<Encoding, () => zlib.Gzip | zlib.BrotliCompress | zlib.ZstdCompress>> = {
  gzip: () => zlib.createGzip(gzip),
  br: () => zlib.createBrotliCompress({ ...brotli, flush: BROTLI_OPERATION_FLUSH }),
  zstd: () => zlib.createZstdCompress({ ...zstd, flush: ZSTD_e_flush }),
}

const gzipWhole = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip)
const brotliWhole = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)
const zstdWhole = promisify<Buffer, zlib.ZstdOptions, Buffer>(zlib.zstdCompress)

const wholes: Readonly<Record<Encoding, (plain: Buffer) => Promise<Buffer>>> = {
  gzip: plain => gzipWhole(plain, { level: 6 }),
  br: plain => brotliWhole(plain, brotli),
  zstd: plain => zstdWhole(plain, zstd),
}

function nothing(): void {}
