// Configs that mean what they say: `check` has not a word on any of them.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkAll } from '../../cli/check-all.ts'
import { loadConfig } from '../../cli/load.ts'

const folder = join(import.meta.dirname, 'valid')
const files = readdirSync(folder)

test('there are at least fifty of them, in every language', () => {
  expect(files.length).toBeGreaterThanOrEqual(50)
  for (const kind of ['.yaml', '.json', '.ts'])
    expect(files.filter(name => name.endsWith(kind)).length).toBeGreaterThan(4)
})

test.each(files)('%s', async name => {
  const circumstances = { variables: { workers: {}, relay: {} }, isLocal: false, isDeploy: false }
  const { problems, config } = await checkAll(await loadConfig(join(folder, name)), circumstances, undefined)
  expect(problems).toEqual([])
  expect(config).toBeDefined()
})
