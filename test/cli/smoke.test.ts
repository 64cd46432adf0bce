import { describe, expect, test } from 'vitest'
import { isAllRight, renderResults, runRows, type SmokeRow } from '../../cli/smoke.ts'
import { smokeRows } from '../../cli/smoke-rows.ts'
import { fourseven } from './command.ts'

const BOUNDS = { rowMs: 5_000, allMs: 10_000 }
const fine: SmokeRow<string> = { what: 'fine', expected: 'yes', see: async world => world }

describe('the smoke table', () => {
  test('is right when every row sees what it expects', async () => {
    const results = await runRows([fine, fine], 'yes', BOUNDS)
    expect(isAllRight(results)).toBe(true)
    expect(renderResults(results)).toContain('All 2 rows are ok.')
  })

  test('a row that sees something else fails the run, and the rows behind it still run', async () => {
    const wrong: SmokeRow<string> = { what: 'wrong', expected: 'no', see: async world => world }
    const results = await runRows([wrong, fine], 'yes', BOUNDS)
    expect(results.map(result => result.ok)).toEqual([false, true])
    expect(results[0]).toEqual({ what: 'wrong', expected: 'no', seen: 'yes', ok: false })
    expect(isAllRight(results)).toBe(false)
    expect(renderResults(results)).toContain('1 of 2 rows failed.')
  })

  test('a row that throws says why', async () => {
    const throws: SmokeRow<string> = {
      what: 'throws',
      expected: 'yes',
      see: () => Promise.reject(new Error('refused')),
    }
    expect(await runRows([throws], 'yes', BOUNDS)).toMatchObject([{ seen: 'refused', ok: false }])
  })

  test('a row that hangs is given up, and so is the rest when all time is up', async () => {
    const hangs: SmokeRow<string> = { what: 'hangs', expected: 'yes', see: () => new Promise(() => {}) }
    const keepAlive = setInterval(() => {}, 1_000)
    const given = await runRows([hangs, fine], 'yes', { rowMs: 50, allMs: 10_000 })
    expect(given).toMatchObject([{ seen: 'nothing within 50 ms', ok: false }, { ok: true }])
    const short = await runRows([hangs, fine], 'yes', { rowMs: 10_000, allMs: 50 })
    expect(short).toMatchObject([{ ok: false }, { seen: 'not reached, the time was up', ok: false }])
    clearInterval(keepAlive)
  })

  test('without rows nothing is proved', () => {
    expect(isAllRight([])).toBe(false)
  })

  test('a canary share outside five sigma is wrong', () => {
    const share = smokeRows.find(row => row.what.startsWith('canary share'))!
    expect(share.isRight!('40 canary, 400 cookies')).toBe(true)
    expect(share.isRight!('9 canary, 400 cookies')).toBe(false)
    expect(share.isRight!('71 canary, 400 cookies')).toBe(false)
    expect(share.isRight!('40 canary, 399 cookies')).toBe(false)
  })
})

describe('npm start -- --smoke', () => {
  test('proves every row of the shipped routes with real traffic, and exits 0', async () => {
    const { code, stdout, stderr } = await fourseven(['dev', '--smoke', '--json'])
    const { ok, rows } = JSON.parse(stdout)
    expect(rows.filter((row: { ok: boolean }) => !row.ok)).toEqual([])
    expect(rows).toHaveLength(smokeRows.length)
    expect(stderr).toBe('')
    expect({ ok, code }).toEqual({ ok: true, code: 0 })
  }, 60_000)

  test('takes no config of its own', async () => {
    const { code, stderr } = await fourseven(['dev', 'routes.yaml', '--smoke'])
    expect(stderr).toContain('--smoke drives the shipped routes')
    expect(code).toBe(2)
  })
})
