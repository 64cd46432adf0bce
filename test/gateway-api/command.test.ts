// The command end to end: import, check, dev and real requests in processes of their own; export and the way back.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import example from '../../examples/gateway-api/routes.ts'
import { folderWith, fourseven, startFourseven } from '../cli/command.ts'
import { root } from '../support/pages.ts'
import { askAt, endpoint, refusing } from './lab.ts'
import { file, gateway, http, httpRoute, service, to } from './manifests.ts'

const at = (name: string) => join(root, 'examples/gateway-api', name)

describe('examples/gateway-api', () => {
  test('is what the import makes of its manifests', async () => {
    const args = [
      'import',
      'gateway-api',
      at('manifests.yaml'),
      '--endpoints',
      at('endpoints.yaml'),
      '--strict',
      '--json',
    ]
    const { code, stdout } = await fourseven(args)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, output: null, notes: [] })
    expect(JSON.parse(stdout).config).toEqual(example)
  })
})

test('a folder of manifests becomes a config that runs', async () => {
  const app = await endpoint('app')
  const port = Number((await refusing()).split(':')[1])
  const folder = folderWith({
    'a/gateway.yaml': file(gateway([{ ...http, port }]), service('app')),
    'b/route.yml': file(httpRoute([{ matches: [{ path: { value: '/app' } }], backendRefs: [to('app')] }])),
    'endpoints.yaml': `default/app:8080: ${app.address}\n`,
  })
  const made = join(folder, 'routes.ts')
  const imported = await fourseven([
    'import',
    'gateway-api',
    join(folder, 'a'),
    join(folder, 'b'),
    '--endpoints',
    join(folder, 'endpoints.yaml'),
    '--listen',
    '127.0.0.1',
    '-o',
    made,
  ])
  expect(imported).toMatchObject({ code: 0, stdout: '' })
  const dev = startFourseven(['dev', made, '--json'])
  onTestFinished(async () => {
    dev.child.kill('SIGTERM')
    await dev.ended
  })
  const { listening } = JSON.parse(await dev.line(line => line.includes('listening'))) as {
    listening: { name: string }[]
  }
  expect(listening.map(({ name }) => name)).toEqual(['web:http'])
  expect((await askAt(port, { host: 'a.test', path: '/app/x' })).saw).toMatchObject({
    endpoint: 'app',
    headers: { host: 'a.test' },
  })
  expect((await askAt(port, { host: 'a.test', path: '/' })).status).toBe(404)
})

describe('what cannot be carried over', () => {
  const filters = [{ type: 'ExtensionRef', extensionRef: { group: 'x.test', kind: 'Limit', name: 'a' } }]
  const text = file(gateway([http]), service('app'), httpRoute({ filters, backendRefs: [to('app')] }))

  test('is listed on standard error with file, line and reason; the config is on standard output', async () => {
    const folder = folderWith({ 'all.yaml': text })
    const { code, stdout, stderr } = await fourseven(['import', 'gateway-api', join(folder, 'all.yaml')])
    expect(code).toBe(0)
    expect(stdout).toContain('listeners:')
    expect(stderr).toMatch(
      /not-carried \S+all\.yaml:\d+ HTTPRoute default\/app spec\.rules\[0\]\.filters\[0\]: a filter of type ExtensionRef/,
    )
    expect(stderr).toContain('1 not carried over')
  })

  test('is an error with --strict, and nothing is written', async () => {
    const folder = folderWith({ 'all.yaml': text })
    const { code, stdout, stderr } = await fourseven(['import', 'gateway-api', join(folder, 'all.yaml'), '--strict'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toContain('nothing was written')
  })
})

test('faulty manifests: exit code 1, file and line', async () => {
  const folder = folderWith({ 'bad.yaml': file(gateway([{ ...http, port: 0 }])) })
  const { code, stdout, stderr } = await fourseven(['import', 'gateway-api', join(folder, 'bad.yaml')])
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toMatch(/error +\S+bad\.yaml:\d+ Gateway default\/web spec\.listeners\[0\]\.port/)
})

test('what cannot be read, or makes no sense, is told with its own exit code', async () => {
  expect((await fourseven(['import', 'gateway-api', '/nowhere/at/all.yaml'])).code).toBe(3)
  expect((await fourseven(['import', 'gateway-api'])).code).toBe(2)
  const folder = folderWith({ 'a.yaml': file(gateway([http])), 'endpoints.yaml': 'nonsense' })
  expect((await fourseven(['import', 'gateway-api', join(folder, 'a.yaml'), '-o', 'routes.txt'])).code).toBe(2)
  expect(
    (await fourseven(['import', 'gateway-api', join(folder, 'a.yaml'), '--endpoints', join(folder, 'endpoints.yaml')]))
      .code,
  ).toBe(3)
})

test('export writes manifests and endpoints that import reads back to the same config', async () => {
  const folder = folderWith({ 'none.yaml': '' })
  const [manifests, endpoints, again] = ['manifests.yaml', 'endpoints.yaml', 'again.json'].map(name =>
    join(folder, name),
  )
  writeFileSync(join(folder, 'routes.json'), JSON.stringify(example))
  const out = await fourseven([
    'export',
    'gateway-api',
    join(folder, 'routes.json'),
    '-o',
    manifests!,
    '--endpoints',
    endpoints!,
    '--strict',
  ])
  expect(out.code).toBe(0)
  const back = await fourseven([
    'import',
    'gateway-api',
    manifests!,
    '--endpoints',
    endpoints!,
    '-o',
    again!,
    '--strict',
  ])
  expect(back.code).toBe(0)
  expect(JSON.parse(readFileSync(again!, 'utf8'))).toEqual(example)
})
