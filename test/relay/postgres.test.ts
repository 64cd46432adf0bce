// Postgres clients ask for TLS in their own protocol first: with a real server and psql, and byte for byte.

import { execFile } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { postgresAnswer, postgresBeginning, postgresError, sslRequest } from '../../relay/postgres.ts'
import { authority } from '../support/certificates.ts'
import { clientHello } from '../support/client-hello.ts'
import { needs } from '../support/needs.ts'
import { freePort, postgres } from '../support/servers.ts'
import { client, echo, ending, endpoint, readAll } from './lab.ts'
import { tlsLab } from './tls-lab.ts'

const withPostgres = needs('initdb', 'postgres', 'psql', 'openssl')

withPostgres('psql reaches the server its name leads to, and verifies that server itself', async () => {
  const { sign, ca } = authority()
  const port = await freePort()
  await postgres(port, sign('db.example.com'))
  const pools = { db: { endpoints: [`tcp://127.0.0.1:${port}`] } }
  const rules = [{ name: 'db', match: { sni: '*.example.com' }, pool: 'db' }]
  const { port: door, recorded } = await tlsLab({ startTls: 'postgres' }, pools, rules)
  const host = `host=db.example.com hostaddr=127.0.0.1 port=${door} user=postgres dbname=postgres`
  const seen = await psql(`${host} sslmode=verify-full sslrootcert=${ca}`, transaction)
  expect(seen).toBe('t 41\n42')
  const clear = await psql(`${host} sslmode=disable`, transaction)
  expect(clear).toMatch(/FATAL: {2}TLS is required here: connect with sslmode=require/)
  const elsewhere = await psql(`${host.replace('db.example.com', 'db.example.org')} sslmode=require`, transaction)
  expect(elsewhere).toMatch(/unrecognized name/)
  expect(await recorded(3)).toMatchObject([
    // Postgres leaves without reading psql's last word, its close_notify, and then the system resets.
    { reason: expect.stringMatching(/^(done|endpoint_reset)$/), rule: 'db', sni: 'db.example.com' },
    { reason: 'not_tls', rule: null, endpoint: null },
    { reason: 'destination_not_found', sni: 'db.example.org' },
  ])
})

withPostgres('a rule without a name takes psql without TLS, and the bytes are its own', async () => {
  const { sign } = authority()
  const port = await freePort()
  await postgres(port, sign('db.example.com'))
  const { port: door } = await tlsLab({ startTls: 'postgres' }, { db: { endpoints: [`tcp://127.0.0.1:${port}`] } })
  const host = `host=db.example.com hostaddr=127.0.0.1 port=${door} user=postgres dbname=postgres`
  expect(await psql(`${host} sslmode=disable`, transaction)).toBe('f 41\n42')
  expect(await psql(`${host} sslmode=prefer`, transaction)).toBe('t 41\n42')
})

withPostgres('TLS that ends here leaves a server without TLS to clients that insist on it', async () => {
  const { sign, ca } = authority()
  const port = await freePort()
  await postgres(port)
  const pools = { db: { endpoints: [`tcp://127.0.0.1:${port}`] } }
  const listener = { startTls: 'postgres', certificates: [sign('db.example.com')] } as const
  const { port: door, recorded } = await tlsLab(listener, pools)
  const host = `host=db.example.com hostaddr=127.0.0.1 port=${door} user=postgres dbname=postgres`
  expect(await psql(`${host} sslmode=verify-full sslrootcert=${ca}`, transaction)).toBe('f 41\n42')
  expect(await psql(`${host} sslmode=disable`, transaction)).toMatch(/FATAL: {2}TLS is required here/)
  expect((await recorded(2)).map(({ reason }) => reason)).toEqual(['done', 'not_tls'])
})

withPostgres('TLS that ends here begins anew towards a server that is asked in its own protocol', async () => {
  const { sign, ca } = authority()
  const port = await freePort()
  await postgres(port, sign('db.internal'))
  const pools = { db: { endpoints: [`tls://127.0.0.1:${port}`], tls: { ca, serverName: 'db.internal' } } }
  const listener = { startTls: 'postgres', certificates: [sign('db.example.com')] } as const
  const { port: door } = await tlsLab(listener, pools)
  const host = `host=db.example.com hostaddr=127.0.0.1 port=${door} user=postgres dbname=postgres`
  expect(await psql(`${host} sslmode=verify-full sslrootcert=${ca}`, transaction)).toBe('t 41\n42')
})

describe('byte for byte', () => {
  test('the endpoint is asked as the client asked, and the answers stay with those who asked', async () => {
    const hello = clientHello({ sni: 'db.example.com' })
    const got: Buffer[] = []
    const { port } = await endpoint(socket => {
      socket.once('data', first => {
        got.push(first)
        socket.write('S')
        socket.once('data', second => {
          got.push(second)
          socket.end('server hello')
        })
      })
    })
    const { port: door, recorded } = await tlsLab({ startTls: 'postgres' }, poolAt(port))
    const socket = await client(door)
    socket.write(sslRequest)
    expect(String(await firstOf(socket))).toBe('S')
    socket.end(hello)
    expect(String(await readAll(socket))).toBe('server hello')
    expect(got).toEqual([Buffer.from(sslRequest), hello])
    expect((await recorded(1))[0]).toMatchObject({ bytesIn: hello.length, bytesOut: 12, reason: 'done' })
  })

  test('GSSAPI is declined, and TLS at once needs no question', async () => {
    const { port } = await echo()
    const { port: door } = await tlsLab({ startTls: 'postgres' }, poolAt(port))
    const asking = await client(door)
    asking.write(Uint8Array.of(0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30))
    expect(String(await firstOf(asking))).toBe('N')
    asking.write(sslRequest)
    expect(String(await firstOf(asking))).toBe('S')
    const direct = await client(door)
    const hello = clientHello({ sni: 'db.example.com' })
    direct.end(hello)
    expect(await readAll(direct)).toEqual(hello)
  })

  test('an endpoint without TLS, and one that says more than it may, are failures of their own', async () => {
    for (const answer of ['N', 'Sand more', 'E']) {
      const { port } = await endpoint(socket => socket.once('data', () => socket.write(answer)))
      const { port: door, recorded } = await tlsLab({ startTls: 'postgres' }, poolAt(port))
      const socket = await client(door)
      socket.write(sslRequest)
      await firstOf(socket)
      socket.write(clientHello({ sni: 'x.test' }))
      expect(await ending(socket)).toBe('ECONNRESET')
      expect((await recorded(1))[0]).toMatchObject({ reason: 'tls_protocol_error', endpoint: null })
    }
  })

  test('what comes in the clear behind the question or in place of TLS is refused (CVE-2021-23214)', async () => {
    const { port, sockets } = await echo()
    const { port: door, recorded } = await tlsLab({ startTls: 'postgres' }, poolAt(port))
    const stuffing = await client(door)
    stuffing.write(Buffer.concat([sslRequest, Buffer.from('Q')]))
    expect(await ending(stuffing)).toBe('ECONNRESET')
    const clear = await client(door)
    clear.write(sslRequest)
    await firstOf(clear)
    clear.write('Q\0\0\0\x10select 1;\0')
    expect(await ending(clear)).toBe('ECONNRESET')
    const late = await tlsLab({ startTls: 'postgres', peekTimeout: '200ms' }, poolAt(port))
    const silent = await client(late.port)
    silent.write(sslRequest)
    expect(await ending(silent)).toBe('ECONNRESET')
    expect((await recorded(2)).map(({ reason }) => reason)).toEqual(['client_hello_invalid', 'not_tls'])
    expect((await late.recorded(1))[0]!.reason).toBe('peek_timeout')
    expect(sockets).toEqual([])
  })

  test('a question in pieces is one question', async () => {
    const { port: door } = await tlsLab({ startTls: 'postgres' }, poolAt(1))
    const socket = await client(door)
    for (const byte of sslRequest) {
      socket.write(Uint8Array.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    expect(String(await firstOf(socket))).toBe('S')
  })

  test('every beginning has its name', () => {
    expect(postgresBeginning(new Uint8Array(0))).toBe('more')
    expect(postgresBeginning(sslRequest.subarray(0, 7))).toBe('more')
    expect(postgresBeginning(sslRequest)).toBe('ssl-request')
    expect(postgresBeginning(Uint8Array.of(0, 0, 0, 9))).toBe('other')
    expect(postgresBeginning(Uint8Array.of(22, 3, 1))).toBe('other')
    expect([[], [0x53], [0x4e], [0x53, 0x53]].map(bytes => postgresAnswer(Uint8Array.from(bytes)))).toEqual([
      'more',
      'yes',
      'no',
      'no',
    ])
    expect(Buffer.from(postgresError('no')).toString('latin1')).toBe('E\0\0\0\x1eSFATAL\0VFATAL\0C28000\0Mno\0\0')
  })
})

/** Rows of the script, or what psql says went wrong. */
function psql(where: string, script: string): Promise<string> {
  return new Promise(resolve => {
    const args = ['-XAtq', '-F', ' ', '-v', 'ON_ERROR_STOP=1', '-d', `${where} connect_timeout=10`, '-c', script]
    execFile('psql', args, (_, stdout, stderr) => resolve((stdout + stderr).trim()))
  })
}

async function firstOf(socket: NodeJS.ReadableStream): Promise<Buffer> {
  return (await new Promise(resolve => socket.once('data', resolve))) as Buffer
}

function poolAt(port: number) {
  return { pool: { endpoints: [`tcp://127.0.0.1:${port}`] } }
}

/** Whether the server speaks TLS with whoever asks, and what a transaction leaves. */
const transaction = `select ssl, 41 from pg_stat_ssl where pid = pg_backend_pid();
begin; create temporary table t (n int); insert into t values (42); commit; select n from t`
