import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { client, echo, ending, readAll, said } from './lab.ts'

test('SIGTERM lets open connections finish, leaves their records and exits with 0', async () => {
  const { port } = await echo()
  const relay = start(configFor('$' + '{ECHO}'), { ECHO: `tcp://127.0.0.1:${port}` })
  const socket = await client(await relay.port())
  await said(socket, 'hello')
  relay.child.kill('SIGTERM')
  await until(() => relay.err().includes('stopped accepting'))
  expect(await ending(await client(await relay.port()))).toBe('ECONNREFUSED')
  socket.end(' again')
  expect(String(await readAll(socket))).toBe(' again')
  expect(await relay.exited).toBe(0)
  expect(JSON.parse(relay.out())).toMatchObject({
    listener: 'db',
    route: 'db',
    reason: 'done',
    bytesIn: 11,
    bytesOut: 11,
  })
})

test('a second signal exits at once', async () => {
  const { port } = await echo()
  const relay = start(configFor(`tcp://127.0.0.1:${port}`))
  const socket = await client(await relay.port())
  await said(socket, 'hello')
  relay.child.kill('SIGTERM')
  await until(() => relay.err().includes('stopped accepting'))
  relay.child.kill('SIGTERM')
  expect(await relay.exited).toBe(1)
})

test('a config with errors is told on stderr and exits with 1', async () => {
  const relay = start({ ...configFor('tcp://127.0.0.1:1'), routes: [{ name: 'db', listener: 'bd', pool: 'db' }] })
  expect(await relay.exited).toBe(1)
  expect(relay.err()).toContain('mend:')
  expect(relay.out()).toBe('')
})

function configFor(address: string): ConfigInput {
  return {
    listeners: { db: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: { db: { endpoints: [address] } },
    routes: [{ name: 'db', listener: 'db', pool: 'db' }],
  }
}

const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

function start(config: ConfigInput, env: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'relay-'))
  const file = join(folder, 'routes.json')
  writeFileSync(file, JSON.stringify(config))
  const main = new URL('../../relay/main.ts', import.meta.url).pathname
  const child: ChildProcess = spawn(process.execPath, [main, file], { env: { ...process.env, ...env } })
  cleanUps.push(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })
  let out = ''
  let err = ''
  child.stdout!.on('data', chunk => {
    out += chunk
  })
  child.stderr!.on('data', chunk => {
    err += chunk
  })
  const exited = once(child, 'close').then(([code]) => code as number)
  const port = async () => {
    await until(() => /:(\d+)$/m.test(err))
    return Number(/:(\d+)$/m.exec(err)![1])
  }
  return { child, exited, port, out: () => out, err: () => err }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 20))
}
