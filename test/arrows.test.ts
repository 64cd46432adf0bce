// A folder imports only from those to its left. The offending edge is printed.

import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')

/** From left to right; rooms of one line do not import each other. */
const rooms = [
  ['shared/wire'],
  ['shared/config'],
  ['shared/pool'],
  ['shared/table'],
  ['shared/decide'],
  ['shared/attempt', 'shared/http'],
  ['shared/cache'],
  ['shared/overlay'],
  ['shared/explain', 'shared/gateway-api'],
  ['shared'],
  ['workers', 'relay'],
  ['cli'],
]

const left = new Map(rooms.flatMap((line, place) => line.map(room => [room, place] as const)))

function roomOf(file: string): string | undefined {
  const parts = file.split('/')
  return [parts.slice(0, 2).join('/'), parts[0]!].find(room => left.has(room))
}

it('every import points to the left', () => {
  const offending = sources().flatMap(file => {
    const from = roomOf(file)!
    return importsOf(file).flatMap(target => {
      const to = roomOf(target)
      if (to === undefined) return [`${file} -> ${target} (outside the house)`]
      return to === from || left.get(to)! < left.get(from)! ? [] : [`${file} -> ${target}`]
    })
  })
  expect(offending).toEqual([])
})

it('shared/ asks nothing of a platform', () => {
  const asking = sources()
    .filter(file => file.startsWith('shared/'))
    .filter(file => /from '(node|cloudflare):|\b(Date\.now|Math\.random|setTimeout|fetch)\(/.test(code(file)))
  expect(asking).toEqual([])
})

function sources(): string[] {
  return ['shared', 'workers', 'relay', 'cli'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && !file.includes('node_modules'))
      .map(file => `${folder}/${file}`),
  )
}

function importsOf(file: string): string[] {
  const found = code(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)
  return [...found].map(([, path]) => relative(root, join(root, dirname(file), path!)))
}

function code(file: string): string {
  return readFileSync(join(root, file), 'utf8').replace(/^\s*(\/\/|\*|\/\*).*$/gm, '')
}
