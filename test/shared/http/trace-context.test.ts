// Cases of the W3C Trace Context validation suite (w3c/trace-context, test/test.py), said as promises.

import { expect, test } from 'vitest'
import { readTrace, setTrace } from '../../../shared/http/trace-context.ts'

const id = '4bf92f3577b34da6a3ce929d0e0e4736'
const parent = '00f067aa0ba902b7'

function counter(): () => number {
  let next = 0
  return () => {
    next += 1
    return next
  }
}

function sent(said: string | null, state: string | undefined, isSampled = true) {
  const headers = new Headers(state === undefined ? {} : { tracestate: state })
  setTrace(headers, readTrace(said, counter()), isSampled)
  return { traceparent: headers.get('traceparent')!, tracestate: headers.get('tracestate') }
}

test('a valid trace is continued with a parent id of ours, its flags and its state', () => {
  expect(sent(`00-${id}-${parent}-01`, 'a=1')).toEqual({
    traceparent: `00-${id}-0000000100000003-01`,
    tracestate: 'a=1',
  })
  expect(sent(`00-${id}-${parent}-00`, undefined).traceparent).toMatch(/-00$/)
  expect(sent(`00-${id}-${parent}-00`, undefined, true).traceparent).toContain(id)
})

test.each([
  ['none at all', null],
  ['an empty one', ''],
  ['version ff', `ff-${id}-${parent}-01`],
  ['version 00 with more behind it', `00-${id}-${parent}-01-more`],
  ['a later version with more behind no dash', `cc-${id}-${parent}-01.more`],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${parent}-01`],
  ['a parent id of zeros', `00-${id}-${'0'.repeat(16)}-01`],
  ['upper case', `00-${id.toUpperCase()}-${parent}-01`],
  ['a trace id too short', `00-${id.slice(1)}-${parent}-01`],
  ['a parent id too long', `00-${id}-${parent}0-01`],
  ['flags of one digit', `00-${id}-${parent}-1`],
  ['two of them joined', `00-${id}-${parent}-01, 00-${id}-${parent}-01`],
  ['characters that are no hex', `00-${id}-${parent}-0x`],
])('%s starts a trace, and its state goes', (_, said) => {
  const { traceparent, tracestate } = sent(said, 'a=1')
  expect(traceparent).toBe('00-00000003000000040000000500000007-0000000100000003-01')
  expect(tracestate).toBeNull()
})

test('a trace started here is flagged as sampled when we keep a record of it', () => {
  expect(sent(null, undefined, true).traceparent).toMatch(/-01$/)
  expect(sent(null, undefined, false).traceparent).toMatch(/-00$/)
})

test('a later version is continued as version 00, with the flags we know', () => {
  expect(sent(`cc-${id}-${parent}-ff`, undefined).traceparent).toBe(`00-${id}-0000000100000003-03`)
  expect(sent(`cc-${id}-${parent}-01-more`, undefined).traceparent).toBe(`00-${id}-0000000100000003-01`)
})

test('ids are never all zeros', () => {
  const { traceId, spanId } = readTrace(null, () => 0)
  expect([traceId, spanId]).toEqual(['00000000000000000000000000000001', '0000000000000001'])
})
