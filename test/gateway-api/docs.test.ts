// The page on migrating holds to the code: its sums, its codes, the options of the command.

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fourseven } from '../cli/command.ts'
import { read, root } from '../support/pages.ts'

const text = read('docs/migrating.md')
const between = (name: string) => text.split(`<!-- ${name} -->`)[1]!.split(`<!-- /${name} -->`)[0]!

test('the sums are those of the table', () => {
  const rows = between('features')
    .split('\n')
    .filter(line => /^\| (?!feature)/.test(line))
  const count = (word: string) => rows.filter(row => row.split('|')[2]!.trim() === word).length
  expect(rows.every(row => ['yes', 'differently', 'no'].includes(row.split('|')[2]!.trim()))).toBe(true)
  const said = `${rows.length} features, ${count('yes')} carried over, ${count('differently')} differently, ${count('no')} not.`
  expect(text).toContain(said)
  // What is not as it was has its reason beside it.
  for (const row of rows) if (!row.includes('| yes |')) expect(row.split('|')[3]!.trim(), row).not.toBe('')
})

test('the codes are those of the notes', () => {
  const code = readdirSync(join(root, 'shared/gateway-api'))
    .map(file => read(`shared/gateway-api/${file}`))
    .join('\n')
  const used = [...code.matchAll(/(?:notes\.add\(\s*(?:'[a-z-]+'|severity)|invalid\(|code:)[\s,]*'([a-z-]+)'/g)].map(
    ([, name]) => name!,
  )
  const listed = [...between('codes').matchAll(/`([a-z-]+)`/g)].map(([, name]) => name!)
  expect(listed).toEqual([...new Set(used)].sort())
})

test.each(['import', 'export'])('%s --help has examples and every option', async command => {
  const { code, stdout } = await fourseven([command, 'gateway-api', '--help'])
  expect(code).toBe(0)
  expect(stdout).toContain('Examples:')
  for (const option of command === 'import'
    ? ['--output', '--endpoints', '--resolve', '--certs', '--listen', '--edge', '--strict', '--json']
    : ['--output', '--endpoints', '--strict', '--json']) {
    expect(stdout).toContain(option)
  }
})
