import { expect, test } from 'vitest'
import { isMirrored, mirrorDraw } from '../../../shared/decide/mirror.ts'
import { subDraw } from '../../../shared/pool/draw.ts'
import type { Mirror } from '../../../shared/table/table.ts'

const mirror = (share: number) => ({ share }) as Mirror
/** Seeds as a plane draws them, the same in every run. */
const draws = Array.from({ length: 100_000 }, (_, index) => Math.floor(subDraw(index, 'jitter') * 2 ** 53))
const fiveSigma = (share: number) => 5 * Math.sqrt((share * (1 - share)) / draws.length)

test('a mirror gets its share of requests', () => {
  for (const share of [0.01, 0.25, 0.9]) {
    const part = draws.filter(draw => isMirrored(mirror(share), 0, draw)).length / draws.length
    expect(Math.abs(part - share)).toBeLessThan(fiveSigma(share))
  }
})

test('0 is none and 1 is all', () => {
  expect(draws.some(draw => isMirrored(mirror(0), 0, draw))).toBe(false)
  expect(draws.every(draw => isMirrored(mirror(1), 0, draw))).toBe(true)
})

test('two mirrors of a rule draw for themselves', () => {
  const both = draws.filter(draw => isMirrored(mirror(0.5), 0, draw) && isMirrored(mirror(0.5), 1, draw)).length
  expect(Math.abs(both / draws.length - 0.25)).toBeLessThan(fiveSigma(0.25))
})

test('where a copy goes leans neither on whether it is made nor on where the request goes', () => {
  const high = (draw: number) => subDraw(mirrorDraw(0, draw), 'balance') < 0.5
  const made = draws.filter(draw => isMirrored(mirror(0.5), 0, draw) && high(draw)).length
  const alike = draws.filter(draw => subDraw(draw, 'balance') < 0.5 && high(draw)).length
  expect(Math.abs(made / draws.length - 0.25)).toBeLessThan(fiveSigma(0.25))
  expect(Math.abs(alike / draws.length - 0.25)).toBeLessThan(fiveSigma(0.25))
})
