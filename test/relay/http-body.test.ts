import { expect, test } from 'vitest'
import { Body, type Sink } from '../../relay/http/body.ts'

test('what was kept goes to the next taker from its beginning, with what came in between', () => {
  const { body, taker } = bodyOf()
  body.keep(10)
  const [first, second] = [taker(), taker()]
  body.push(Buffer.from('one,'))
  body.sendTo(first.sink)
  body.push(Buffer.from('two,'))
  expect(body.rewind()).toBe(true)
  body.push(Buffer.from('three,'))
  body.sendTo(second.sink)
  body.push(Buffer.from('four'))
  body.finish(undefined)
  expect(first.took).toEqual(['one,', 'two,'])
  expect(second.took).toEqual(['one,', 'two,', 'three,', 'four', 'end'])
})

test('a body of which more was handed on than is kept cannot be had again', () => {
  const { body, taker } = bodyOf()
  body.keep(3)
  body.sendTo(taker().sink)
  body.push(Buffer.from('ab'))
  body.push(Buffer.from('cd'))
  expect(body.rewind()).toBe(false)
})

test('one of which nothing was handed on can, kept or not, and after its end too', () => {
  const { body, taker } = bodyOf()
  const [first, second] = [taker(), taker()]
  body.sendTo(first.sink)
  expect(body.rewind()).toBe(true)
  body.push(Buffer.from('x'))
  body.finish(undefined)
  body.sendTo(second.sink)
  expect(first.took).toEqual([])
  expect(second.took).toEqual(['x', 'end'])
})

test('what nobody may want again is not kept', () => {
  const { body, taker } = bodyOf()
  body.keep(100)
  body.sendTo(taker().sink)
  body.push(Buffer.from('x'))
  body.release()
  expect(body.rewind()).toBe(false)
})

function bodyOf() {
  const body = new Body({ begin: () => {}, resumeReading: () => {}, cancelReading: () => {} })
  const taker = () => {
    const took: string[] = []
    const sink: Sink = {
      write: chunk => took.push(String(chunk)) > 0,
      end: () => void took.push('end'),
      abort: () => void took.push('abort'),
      onDrain: () => {},
    }
    return { sink, took }
  }
  return { body, taker }
}
