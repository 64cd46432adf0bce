import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { quicIdsOf } from '../../../shared/wire/quic.ts'
import { id, long, short } from '../../support/quic.ts'

describe('the ids of a packet', () => {
  test('a long header names both, of any length to 20', () => {
    expect(quicIdsOf(long('0102030405060708', 'aabb'), 8)).toEqual({
      isLong: true,
      destination: '0102030405060708',
      source: 'aabb',
    })
    expect(quicIdsOf(long('', ''), 8)).toMatchObject({ destination: '', source: '' })
    expect(quicIdsOf(long('11'.repeat(20), '22'.repeat(20)), 8)).toMatchObject({ source: '22'.repeat(20) })
  })

  test('a short header names the receiver, as long as the listener says', () => {
    expect(quicIdsOf(short('0102030405060708'), 8)).toEqual({
      isLong: false,
      destination: '0102030405060708',
      source: '',
    })
    expect(quicIdsOf(short('0102030405060708'), 4)).toMatchObject({ destination: '01020304' })
  })

  test('the client Initial of RFC 9001 appendix A', () => {
    const packet = id('c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11')
    expect(quicIdsOf(packet, 8)).toEqual({ isLong: true, destination: '8394c8f03e515708', source: '' })
  })

  test('of another version they stand in the same place (RFC 8999), in a version negotiation too', () => {
    expect(quicIdsOf(long('01', '02', 99), 8)).toMatchObject({ destination: '01', source: '02' })
    expect(quicIdsOf(long('01', '02', 0), 8)).toMatchObject({ destination: '01', source: '02' })
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a short header cut off', short('01020304').subarray(0, 4)],
    ['a long header without ids', long('', '').subarray(0, 5)],
    ['an id longer than 20', Buffer.from([0xc0, 0, 0, 0, 1, 21, ...Buffer.alloc(40)])],
    ['a source longer than 20', Buffer.from([0xc0, 0, 0, 0, 1, 0, 21, ...Buffer.alloc(40)])],
    ['a destination that is not all there', long('0102030405060708', 'aabb').subarray(0, 12)],
    ['a source that is not all there', long('0102030405060708', 'aabb').subarray(0, 16)],
  ])('%s is none', (_, bytes) => {
    expect(quicIdsOf(bytes, 8)).toBe('absent')
  })

  test('any bytes are ids within their bounds, or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.integer({ min: 1, max: 20 }), (bytes, idLength) => {
        const ids = quicIdsOf(bytes, idLength)
        if (ids === 'absent') return
        expect(ids.destination).toMatch(/^(?:[0-9a-f]{2}){0,20}$/)
        expect(ids.source).toMatch(/^(?:[0-9a-f]{2}){0,20}$/)
        expect(Buffer.from(bytes).toString('hex')).toContain(
          ids.destination + (ids.isLong && ids.source === '' ? '00' : ''),
        )
      }),
    )
  })

  test('what is written is read back', () => {
    const anyId = fc.uint8Array({ maxLength: 20 }).map(bytes => Buffer.from(bytes).toString('hex'))
    fc.assert(
      fc.property(anyId, anyId, (destination, source) => {
        expect(quicIdsOf(long(destination, source), 8)).toEqual({ isLong: true, destination, source })
      }),
    )
  })
})
