// PostgreSQL through the relay as it is used: transactions, large copies both ways, many clients at once.

import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { needs, pathOf } from '../support/needs.ts'
import { freePort, postgres, temporary } from '../support/servers.ts'
import { configTo, isRecord, type Program, relayProgram, sum } from './program.ts'

const withPostgres = needs('initdb', 'postgres', 'psql', 'pgbench')

withPostgres('psql commits and rolls back, and 50 MB go in and come out again with the same checksum', async () => {
  const door = await relayToPostgres()
  const psql = (...commands: string[]) => run('psql', door.port, '-X', ...commands.flatMap(each => ['-c', each]))
  await psql('create table lines (line text)')
  await psql('begin', `insert into lines values ('never')`, 'rollback')
  expect(await psql('begin', `insert into lines values ('kept')`, 'commit', 'select * from lines')).toContain('kept')
  expect(await psql('select count(*) from lines')).toMatch(/^ +1$/m)
  await psql('truncate lines')

  const folder = temporary()
  const [given, returned] = [join(folder, 'given'), join(folder, 'returned')]
  // 999 hex digits and a line end.
  const digits = randomBytes(25_000_000).toString('hex')
  const lines = Array.from({ length: 50_000 }, (_, at) => digits.slice(at * 999, at * 999 + 999))
  writeFileSync(given, `${lines.join('\n')}\n`)
  const before = (await door.until(isRecord, 5)).length
  expect(await psql(`\\copy lines from '${given}'`)).toBe('COPY 50000\n')
  expect(await psql(`\\copy lines to '${returned}'`)).toBe('COPY 50000\n')
  expect(checksum(returned)).toBe(checksum(given))
  const copies = (await door.until(isRecord, before + 2)).slice(before)
  expect(copies.map(({ reason }) => reason)).toEqual(['done', 'done'])
  expect(sum(copies, 'bytesIn')).toBeGreaterThan(50_000_000)
  expect(sum(copies, 'bytesOut')).toBeGreaterThan(50_000_000)
})

withPostgres('every transaction of pgbench arrives once, and its books balance', async () => {
  const door = await relayToPostgres()
  await run('pgbench', door.port, '-i', '-q')
  const said = await run('pgbench', door.port, '-c', '8', '-j', '2', '-t', '50')
  expect(said).toMatch(/actually processed: 400\/400$/m)
  expect(said).toMatch(/failed transactions: 0 /)
  const books = `select count(*), sum(delta) = (select sum(abalance) from pgbench_accounts),
    sum(delta) = (select sum(tbalance) from pgbench_tellers), sum(delta) = (select sum(bbalance) from pgbench_branches)
    from pgbench_history`
  expect(await run('psql', door.port, '-XAt', '-c', books)).toBe('400|t|t|t\n')
})

async function relayToPostgres(): Promise<Program> {
  const port = await freePort()
  await postgres(port)
  return relayProgram(configTo([port]))
}

async function run(program: 'psql' | 'pgbench', port: number, ...args: string[]): Promise<string> {
  const where = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres']
  // A large table is otherwise read from where another reader is (synchronize_seqscans), in another order.
  const env = { ...process.env, PGOPTIONS: '-c synchronize_seqscans=off', PGSSLMODE: 'disable' }
  const { stdout } = await promisify(execFile)(pathOf(program)!, [...where, ...args, 'postgres'], { env })
  return stdout
}

function checksum(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}
