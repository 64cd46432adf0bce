// Stored answers on disk: what comes back is what was put in, or nothing, whatever becomes of the files.

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { AnswerStore } from '../../relay/http/answer-store.ts'
import { type Body, readWhole } from '../../relay/http/body.ts'
import { DiskBody } from '../../relay/http/disk-body.ts'
import { DiskStore } from '../../relay/http/disk-store.ts'
import type { StoredAnswer } from '../../shared/cache/stored.ts'
import { folderWith } from '../cli/command.ts'

const none = new Headers()
const now = () => 1_000_000

const stored: StoredAnswer = {
  status: 200,
  fields: [['content-type', 'text/plain']],
  receivedAt: 0,
  initialAgeMs: 0,
  lifetimeMs: 1000,
  noCache: false,
  mustRevalidate: false,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  vary: [],
  url: 'http://app.test/',
  tags: [],
}

/** A store over this folder; what goes wrong makes the test fail. */
async function storeOver(folder: string, { memory = 1, maxBytes = 100 * 1024 ** 2 } = {}) {
  const store = new AnswerStore(memory, true)
  const troubles: Error[] = []
  const found = await store.useDisk({ folder, maxBytes }, now, error => troubles.push(error))
  onTestFinished(() => expect(troubles).toEqual([]))
  return { store, found }
}

/** The body under a key, wherever it stands; undefined for none, `broken` when it breaks off. */
async function bodyOf(store: AnswerStore, key: string, request = none): Promise<Buffer | 'broken' | undefined> {
  const found = await store.look(key, request)
  if (typeof found !== 'object') return undefined
  return found.body instanceof DiskBody ? wholeOf(found.body.part(0, found.bytes - 1)) : found.body
}

async function wholeOf(body: Body): Promise<Buffer | 'broken'> {
  const whole = await readWhole(body, 60_000)
  if (whole === 'late') throw new Error('the body does not come to its end')
  return whole
}

const filesIn = (folder: string, end: string) =>
  (readdirSync(folder, { recursive: true }) as string[])
    .filter(name => name.endsWith(end))
    .map(name => join(folder, name))

test('what was kept is there after a restart, short and long, head and body', async () => {
  const folder = folderWith({})
  const { store } = await storeOver(folder)
  const bodies = [Buffer.alloc(0), Buffer.from('short'), randomBytes(65_536), randomBytes(3_000_001)]
  for (const [index, body] of bodies.entries()) store.keep(`k${index}`, { ...stored, tags: [`t${index}`] }, body, none)
  await store.settled()
  const { store: again, found } = await storeOver(folder)
  expect(found.answers).toBe(4)
  for (const [index, body] of bodies.entries()) {
    const looked = (await again.look(`k${index}`, none)) as { body: Buffer | DiskBody }
    if (looked.body instanceof DiskBody) looked.body.release()
    expect(looked).toMatchObject({ bytes: body.length, stored: { ...stored, tags: [`t${index}`] } })
    expect((await bodyOf(again, `k${index}`)) as Buffer).toEqual(body)
  }
  expect(await again.look('k4', none)).not.toBeTypeOf('object')
})

test('parts are read out of the file where they stand', async () => {
  const { store } = await storeOver(folderWith({}))
  const body = randomBytes(2_000_000)
  store.keep('k', stored, body, none)
  await store.settled()
  await fc.assert(
    fc.asyncProperty(fc.nat(body.length - 1), fc.nat(body.length - 1), async (one, other) => {
      const [from, to] = one < other ? [one, other] : [other, one]
      const found = (await store.look('k', none)) as { body: DiskBody }
      expect(((await wholeOf(found.body.part(from, to))) as Buffer).equals(body.subarray(from, to + 1))).toBe(true)
    }),
    { numRuns: 60 },
  )
})

test('answers that vary come back under what they vary by', async () => {
  const folder = folderWith({})
  const { store } = await storeOver(folder, { memory: 10_000 })
  const asking = (a: string) => new Headers({ 'x-a': a })
  const varied = (a: string): StoredAnswer => ({ ...stored, vary: [['x-a', a]] })
  for (const a of ['1', '2']) store.keep('k', varied(a), Buffer.from(`body ${a}`), asking(a))
  await store.settled()
  const { store: again } = await storeOver(folder)
  for (const a of ['1', '2']) expect(String(await bodyOf(again, 'k', asking(a)))).toBe(`body ${a}`)
  expect(await again.look('k', asking('3'))).toBe('vary-miss')
  again.forget('k')
  const { store: third } = await storeOver(folder)
  expect(await bodyOf(third, 'k', asking('1'))).toBeUndefined()
})

test('what is forgotten is gone from the folder at once, also what is being written', async () => {
  const folder = folderWith({})
  const { store } = await storeOver(folder)
  store.keep('old', stored, Buffer.from('old'), none)
  await store.settled()
  store.forget('old')
  expect(filesIn(folder, '.head')).toEqual([])
  store.keep('new', stored, randomBytes(500_000), none)
  store.forget('new')
  await store.settled()
  expect([filesIn(folder, '.head'), filesIn(folder, '.body')]).toEqual([[], []])
})

test('of answers kept one after the other under a key the last one counts, and no file of the others stays', async () => {
  const folder = folderWith({})
  const { store } = await storeOver(folder)
  for (let turn = 0; turn < 20; turn++) {
    store.keep('k', stored, Buffer.alloc(100_000, String(turn)), none)
    if (turn % 3 === 0) await store.settled()
  }
  await store.settled()
  expect([filesIn(folder, '.head').length, filesIn(folder, '.body').length]).toEqual([1, 1])
  const { store: again } = await storeOver(folder)
  expect(await bodyOf(again, 'k')).toEqual(Buffer.alloc(100_000, '19'))
})

test('a new head over the same body is what a restart finds', async () => {
  const folder = folderWith({})
  const { store } = await storeOver(folder)
  for (const bytes of [10, 3_000_000]) {
    store.keep(`k${bytes}`, stored, Buffer.alloc(bytes, 'a'), none)
    await store.settled()
    const found = (await store.look(`k${bytes}`, none)) as { body: Buffer | DiskBody }
    store.renew(`k${bytes}`, { ...stored, receivedAt: 500 }, found.body, none)
    if (found.body instanceof DiskBody) found.body.release()
    await store.settled()
  }
  const { store: again } = await storeOver(folder)
  for (const bytes of [10, 3_000_000]) {
    const looked = (await again.look(`k${bytes}`, none)) as { body: Buffer | DiskBody }
    if (looked.body instanceof DiskBody) looked.body.release()
    expect(looked).toMatchObject({ stored: { receivedAt: 500 }, bytes })
    expect(((await bodyOf(again, `k${bytes}`)) as Buffer).equals(Buffer.alloc(bytes, 'a'))).toBe(true)
  }
})

test('a new head for a body that was replaced meanwhile is not put over the other one', async () => {
  const folder = folderWith({})
  const { store } = await storeOver(folder)
  for (const bytes of [10, 3_000_000]) {
    const key = `k${bytes}`
    store.keep(key, { ...stored, receivedAt: 1 }, Buffer.alloc(bytes, 'a'), none)
    await store.settled()
    const found = (await store.look(key, none)) as { body: Buffer | DiskBody }
    store.keep(key, { ...stored, receivedAt: 2 }, Buffer.alloc(bytes, 'b'), none)
    await store.settled()
    store.renew(key, { ...stored, receivedAt: 3 }, found.body, none)
    if (found.body instanceof DiskBody) found.body.release()
    await store.settled()
    const looked = (await store.look(key, none)) as { stored: StoredAnswer; body: Buffer | DiskBody } | undefined
    if (looked?.body instanceof DiskBody) looked.body.release()
    const body = (await bodyOf(store, key)) as Buffer | undefined
    expect([looked?.stored.receivedAt, body?.[0]]).not.toEqual([3, 'b'.charCodeAt(0)])
  }
})

test('the files take no more than the budget, and the least recently used go first', async () => {
  const folder = folderWith({})
  const maxBytes = 1_000_000
  const { store } = await storeOver(folder, { maxBytes })
  for (let index = 0; index < 60; index++) {
    store.keep(`k${index}`, stored, Buffer.alloc(40_000), none)
    await store.settled()
    await store.look('k0', none)
    const files = [...filesIn(folder, '.head'), ...filesIn(folder, '.body')]
    expect(files.reduce((sum, file) => sum + statSync(file).size, 0)).toBeLessThanOrEqual(maxBytes)
  }
  expect(await bodyOf(store, 'k0')).toBeInstanceOf(Buffer)
  expect(await bodyOf(store, 'k1')).toBeUndefined()
  expect(await bodyOf(store, 'k59')).toBeInstanceOf(Buffer)
  const smaller = await storeOver(folder, { maxBytes: 200_000 })
  expect(smaller.found.bytes).toBeLessThanOrEqual(200_000)
  expect(filesIn(folder, '.head').length).toBe(smaller.found.answers)
})

test('what was changed before the disk could be used does not come back from it', async () => {
  const folder = folderWith({})
  const { store: first } = await storeOver(folder)
  for (const key of ['forgotten', 'replaced', 'kept']) first.keep(key, stored, Buffer.from('old'), none)
  await first.settled()
  const store = new AnswerStore(1, true)
  store.forget('forgotten')
  store.keep('replaced', stored, Buffer.from('new'), none)
  await store.useDisk({ folder, maxBytes: 10_000_000 }, now, () => {})
  const bodies = await Promise.all(['forgotten', 'replaced', 'kept'].map(key => bodyOf(store, key)))
  expect(bodies.map(body => body && String(body))).toEqual([undefined, undefined, 'old'])

  const many = new AnswerStore(1, true)
  for (let index = 0; index < 10_001; index++) many.forget(`k${index}`)
  expect(await many.useDisk({ folder, maxBytes: 10_000_000 }, now, () => {})).toEqual({ answers: 0, bytes: 0 })
  expect(filesIn(folder, '.head')).toEqual([])
})

test('a relay that has left the folder gives and writes nothing there, and what it forgets still goes', async () => {
  const folder = folderWith({})
  const { store } = await storeOver(folder)
  store.keep('a', stored, Buffer.from('a'), none)
  await store.settled()
  await store.leaveDisk()
  store.keep('b', stored, Buffer.from('b'), none)
  await store.settled()
  expect(await bodyOf(store, 'a')).toBeUndefined()
  expect(filesIn(folder, '.head')).toHaveLength(1)
  store.forget('a')
  expect(filesIn(folder, '.head')).toEqual([])
})

test('an answer of the future is not given: a clock was set back', async () => {
  const { store } = await storeOver(folderWith({}))
  store.keep('k', { ...stored, receivedAt: now() + 60_000 }, Buffer.from('a'), none)
  await store.settled()
  expect(await bodyOf(store, 'k')).toBeUndefined()
})

test('files that are damaged, cut, exchanged or made up give nothing wrong, and are removed', async () => {
  const keys = ['short', 'middle', 'long'] as const
  const bodies = { short: Buffer.from('short body'), middle: randomBytes(150_000), long: randomBytes(1_300_000) }
  const damage = fc.record({
    file: fc.nat(5),
    how: fc.oneof(
      fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), flips: fc.integer({ min: 1, max: 255 }) }),
      fc.record({ length: fc.double({ min: 0, max: 1.5, noNaN: true }) }),
      fc.record({ bytes: fc.uint8Array({ maxLength: 2000 }) }),
      fc.record({ swapWith: fc.nat(5) }),
    ),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), fc.boolean(), async (damages, isRestarted) => {
      const folder = folderWith({})
      const { store } = await storeOver(folder)
      for (const key of keys) store.keep(key, stored, bodies[key], none)
      await store.settled()
      const files = [...filesIn(folder, '.head'), ...filesIn(folder, '.body')].sort()
      for (const { file, how } of damages) harm(files, files[file % files.length]!, how)
      const looking = isRestarted ? (await storeOver(folder)).store : store
      for (const key of keys) {
        const got = await bodyOf(looking, key)
        if (got !== undefined && got !== 'broken') expect(got.equals(bodies[key]), key).toBe(true)
      }
      // What was found to be damaged is not found again.
      for (const key of keys) expect(await bodyOf(looking, key), key).not.toBe('broken')
    }),
    { numRuns: 60 },
  )
}, 60_000)

test('a head with the right checksum and the wrong contents is no answer', async () => {
  const folder = folderWith({})
  const { createHash } = await import('node:crypto')
  const heads: unknown[] = [
    null,
    {},
    { form: 2, key: 'k', slot: {} },
    { form: 1, key: 'k', slot: { is: 'answer', stored, stamp: '../../../../etc/passwd', bytes: 1 } },
    { form: 1, key: 'k', slot: { is: 'answer', stored, stamp: '0123456789abcdef', bytes: -1 } },
    {
      form: 1,
      key: 'k',
      slot: {
        is: 'answer',
        stored: { ...stored, fields: [['a', 'b\r\nset-cookie: c']] },
        stamp: '0123456789abcdef',
        bytes: 0,
      },
    },
    {
      form: 1,
      key: 'k',
      slot: { is: 'answer', stored: { ...stored, status: 101 }, stamp: '0123456789abcdef', bytes: 0 },
    },
    {
      form: 1,
      key: 'k',
      slot: { is: 'answer', stored: { ...stored, lifetimeMs: 'long' }, stamp: '0123456789abcdef', bytes: 0 },
    },
    { form: 1, key: 'other', slot: { is: 'index', names: [], word: 'w' } },
  ]
  const name = createHash('sha256').update('k').digest('hex')
  for (const head of heads) {
    const { store } = await storeOver(folder)
    const text = JSON.stringify(head)
    mkdirSync(join(folder, name.slice(0, 2)), { recursive: true })
    writeFileSync(join(folder, name.slice(0, 2), `${name}.0123456789abcdef.body`), '')
    const path = join(folder, name.slice(0, 2), `${name}.head`)
    writeFileSync(path, `${createHash('sha256').update(text).digest('hex')}\n${text}`)
    expect(await bodyOf(store, 'k'), text).toBeUndefined()
    const disk = new DiskStore({ folder, maxBytes: 1_000_000 }, now, () => {})
    expect((await disk.begin(false)).answers, text).toBe(0)
    await disk.settled()
    expect([...filesIn(folder, '.head'), ...filesIn(folder, '.body')], text).toEqual([])
  }
})

function harm(
  files: readonly string[],
  file: string,
  how: { at: number; flips: number } | { length: number } | { bytes: Uint8Array } | { swapWith: number },
): void {
  const { size } = statSync(file, { throwIfNoEntry: false }) ?? {}
  if (size === undefined) return
  if ('length' in how) truncateSync(file, Math.floor(size * how.length))
  else if ('bytes' in how) writeFileSync(file, how.bytes)
  else if ('swapWith' in how) {
    const other = files[how.swapWith % files.length]!
    renameSync(other, `${other}.away`)
    if (other !== file) renameSync(file, other)
    renameSync(`${other}.away`, file)
  } else if (size > 0) {
    const at = Math.min(size - 1, Math.floor(size * how.at))
    const byte = readFileSync(file)[at]!
    const opened = openSync(file, 'r+')
    writeSync(opened, Buffer.from([byte ^ how.flips]), 0, 1, at)
    closeSync(opened)
  }
}

test('memory and disk together are a map that may forget, and never give what was replaced or forgotten', async () => {
  const names = fc.constantFrom('a', 'b')
  const vary = fc.constantFrom(undefined, undefined, undefined, '1', '2')
  const command = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('keep' as const),
        key: names,
        vary,
        kilobytes: fc.constantFrom(1, 30, 1_500),
      }),
    },
    { weight: 7, arbitrary: fc.record({ do: fc.constant('look' as const), key: names, vary }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('renew' as const), key: names, vary }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('forget' as const), key: names }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), isKilled: fc.boolean() }) },
  )
  const asking = (a: string | undefined) => (a === undefined ? none : new Headers({ 'x-a': a }))
  let given = 0
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 40 }), async commands => {
      const folder = folderWith({})
      let { store } = await storeOver(folder, { memory: 100_000 })
      /** By key: what was kept last under which value; undefined: forgotten. A look may give it or nothing. */
      const kept = new Map<string, { tag: string; vary: string | undefined; receivedAt: number }[]>()
      const looks: Promise<void>[] = []
      for (const [number, one] of commands.entries()) {
        if (one.do === 'keep') {
          const stamp: StoredAnswer = {
            ...stored,
            vary: one.vary === undefined ? [] : [['x-a', one.vary]],
            tags: [String(number)],
          }
          store.keep(one.key, stamp, Buffer.alloc(one.kilobytes * 1000, String(number)), asking(one.vary))
          // What does not vary, or begins to, stands alone under its key.
          const before = kept.get(one.key) ?? []
          const isAlike = one.vary !== undefined && before.every(each => each.vary !== undefined)
          const others = isAlike ? before.filter(each => each.vary !== one.vary) : []
          kept.set(one.key, [...others, { tag: String(number), vary: one.vary, receivedAt: 0 }])
        } else if (one.do === 'forget') {
          store.forget(one.key)
          kept.delete(one.key)
        } else if (one.do === 'settle') await store.settled()
        else if (one.do === 'restart') {
          // A kill leaves behind what is on disk by then: less, never other.
          if (!one.isKilled) await store.settled()
          else await store.leaveDisk()
          await Promise.all(looks)
          store = (await storeOver(folder, { memory: 100_000 })).store
        } else {
          const expected = kept.get(one.key)?.find(each => each.vary === undefined || each.vary === one.vary)
          const found = await store.look(one.key, asking(one.vary))
          if (typeof found !== 'object') continue
          expect(found.stored.tags, JSON.stringify(commands)).toEqual([expected?.tag])
          expect(found.stored.receivedAt).toBeLessThanOrEqual(expected!.receivedAt)
          given += 1
          if (one.do === 'renew') {
            expected!.receivedAt = number
            store.renew(one.key, { ...found.stored, receivedAt: number }, found.body, asking(one.vary))
            if (found.body instanceof DiskBody) found.body.release()
          } else if (found.body instanceof DiskBody) {
            // Read while the commands go on.
            const whole = wholeOf(found.body.part(0, found.bytes - 1))
            looks.push(whole.then(body => expect(String(body).replaceAll(expected!.tag, '')).toBe('')))
          } else expect(String(found.body).replaceAll(expected!.tag, '')).toBe('')
        }
      }
      await Promise.all(looks)
      await store.settled()
    }),
    { numRuns: 150, seed: 47 },
  )
  expect(given).toBeGreaterThan(100)
}, 120_000)
