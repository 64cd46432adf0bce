// Faults that operators of HAProxy, nginx, Envoy and Gateway API make: `check` finds every one, each with the code and the
// place that stand beside it in expected.json.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkAll } from '../../cli/check-all.ts'
import { loadConfig } from '../../cli/load.ts'

const folder = join(import.meta.dirname, 'faults')
const expected: Readonly<Record<string, { readonly code: string; readonly path: string }>> = JSON.parse(
  readFileSync(join(folder, 'expected.json'), 'utf8'),
)
const files = readdirSync(folder).filter(name => name !== 'expected.json')

test('there are three files of each of at least twenty kinds, each with what is expected', () => {
  expect(files.sort()).toEqual(Object.keys(expected).sort())
  const kindOf = (name: string) => name.replace(/-\d+\.\w+$/, '')
  const kinds = new Set(files.map(kindOf))
  expect(kinds.size).toBeGreaterThanOrEqual(20)
  for (const kind of kinds)
    expect(
      files.filter(name => kindOf(name) === kind),
      kind,
    ).toHaveLength(3)
})

test.each(Object.entries(expected))('%s', async (name, { code, path }) => {
  const { problems } = await checkAll(await loadConfig(join(folder, name)), NOWHERE, undefined)
  const found = problems.map(problem => `${problem.code} ${problem.path}`)
  expect(found).toContain(`${code} ${path}`)
  const problem = problems.find(each => each.code === code && each.path === path)!
  expect(problem.mend).not.toBe('')
  if (!name.endsWith('.ts')) expect(problem.line, 'its line').toBeGreaterThan(0)
})

/** As `fourseven check FILE` sees it in a folder without wrangler.toml. */
const NOWHERE = { variables: { workers: {}, relay: {} }, isLocal: false, isDeploy: false }
