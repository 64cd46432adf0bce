// `npm ci` refuses a lockfile that leaves out an optional package of some platform. npm leaves them out whenever the
// registry at hand does not carry them, so the lockfile is held to it here.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const { packages } = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as {
  packages: Readonly<Record<string, { optionalDependencies?: Readonly<Record<string, string>>; version?: string }>>
}

it('names every optional package of every platform', () => {
  const missing = Object.entries(packages).flatMap(([at, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      name => packages[`node_modules/${name}`] === undefined && packages[`${at}/node_modules/${name}`] === undefined,
    ),
  )
  expect(missing.filter(name => name !== 'fsevents')).toEqual([])
})

it('holds one workerd', () => {
  expect(Object.keys(packages).filter(path => path.endsWith('node_modules/workerd'))).toHaveLength(1)
})
