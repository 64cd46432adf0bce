import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileTemplate, render, type TemplateValues } from '../../../shared/config/template.ts'
import { applyEdits } from '../../../shared/http/edits.ts'
import { compileEdits } from '../../../shared/table/edits.ts'

const values: TemplateValues = {
  clientAddress: '192.0.2.1',
  route: 'app',
  rule: 'app/0',
  variant: 'canary',
  requestId: 'id-1',
  country: undefined,
}

test('remove, then set, then add', () => {
  const fields = new Headers({ 'x-old': '1', 'x-both': 'old', 'x-many': 'a' })
  const edits = compileEdits({
    remove: ['x-old', 'x-both'],
    set: [['x-variant', '{variant}']],
    add: [
      ['x-both', 'new'],
      ['x-many', '{route}@{client.address}'],
    ],
  })
  applyEdits(fields, edits!, values)
  expect(Object.fromEntries(fields)).toEqual({ 'x-variant': 'canary', 'x-both': 'new', 'x-many': 'a, app@192.0.2.1' })
})

test('a value nobody knows is not written, and the client cannot fill it in', () => {
  const fields = new Headers({ 'x-country': 'forged', 'x-other': 'kept' })
  applyEdits(
    fields,
    compileEdits({ remove: [], set: [['x-country', '{country}']], add: [['x-other', '{country}']] })!,
    values,
  )
  expect(Object.fromEntries(fields)).toEqual({ 'x-other': 'kept' })
})

test('nothing to do compiles to nothing', () => {
  expect(compileEdits({ remove: [], set: [], add: [] })).toBeUndefined()
})

test.each([
  ['plain', 'plain'],
  ['', ''],
  ['{variant}', [{ value: 'variant' }]],
  ['a{route}b{rule}', ['a', { value: 'route' }, 'b', { value: 'rule' }]],
  ['{"group":"{route}"}', ['{"group":"', { value: 'route' }, '"}']],
  ['{nobody} {client.port}', '{nobody} {client.port}'],
  ['{{route}}', ['{', { value: 'route' }, '}']],
  ['a\r\nSet-Cookie: b', 'aSet-Cookie: b'],
])('the template %j compiles to %j', (text, template) => {
  expect(compileTemplate(text)).toEqual(template)
  expect(structuredClone(compileTemplate(text))).toEqual(template)
})

test('every name renders its value', () => {
  const template = compileTemplate('{client.address}|{route}|{rule}|{variant}|{request.id}|{country}')
  expect(render(template, { ...values, country: 'CH' })).toBe('192.0.2.1|app|app/0|canary|id-1|CH')
})

test('several Set-Cookie survive edits of other fields and additions', () => {
  const fields = new Headers()
  fields.append('set-cookie', 'a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT')
  fields.append('set-cookie', 'b=2')
  const edits = compileEdits({ remove: ['x'], set: [['y', '{route}']], add: [['set-cookie', 'c={variant}']] })
  applyEdits(fields, edits!, values)
  expect(fields.getSetCookie()).toEqual(['a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT', 'b=2', 'c=canary'])
})

test('no value brings CR, LF or NUL into a field, and Headers takes whatever comes out', () => {
  const text = fc.string({ unit: fc.nat(0xffff).map(code => String.fromCharCode(code)) })
  fc.assert(
    fc.property(text, text, text, (template, address, id) => {
      const compiled = compileTemplate(`${template}{client.address}{request.id}`)
      const value = render(compiled, { ...values, clientAddress: address, requestId: id })
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the point of the test
      expect(value).not.toMatch(/[\x00-\x08\x0a-\x1f\x7f]/)
      new Headers().set('x', value)
    }),
    { seed: 13, numRuns: 1_000 },
  )
})
