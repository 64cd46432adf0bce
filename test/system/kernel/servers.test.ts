// Real servers in endpoint namespaces, behind the kernel: Redis, PostgreSQL and a name server.

import { execFileSync } from 'node:child_process'
import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { needsNamespaces, pathOf } from '../../support/needs.ts'
import { temporary } from '../../support/servers.ts'
import { type Lab, makeLab, type Name } from './lab.ts'
import { startRelay, tally } from './people.ts'
import { configOf, type Mode, modes, vipOf } from './scene.ts'

for (const mode of modes) {
  needsNamespaces('redis-server', 'redis-cli')(
    `${mode}: Redis carries out a pipeline of 10,000 commands in order`,
    async () => {
      const { lab, vip } = place(mode)
      for (const name of ['e1', 'e2'] as const) {
        const args = [
          '--port',
          '8080',
          '--bind',
          lab.near(name),
          ...(mode === 'dsr' ? [vip] : []),
          '--save',
          '',
          '--protected-mode',
          'no',
        ]
        lab.start(name, pathOf('redis-server')!, args, { cwd: temporary() })
      }
      await startRelay(lab, 'r1', configOf(mode, vip, [1, 1]))
      await untilSays(() => lab.run('c1', 'redis-cli', '-h', vip, '-p', '8080', 'ping'), 'PONG')
      const commands = Array.from({ length: 10_000 }, (_, at) => `RPUSH list ${at}`).join('\n')
      const file = join(temporary(), 'commands')
      writeFileSync(file, `DEL list\n${commands}\nLRANGE list 0 -1\n`)
      // One connection, so one endpoint.
      const said = lab.run('c1', 'sh', '-c', `redis-cli -h ${vip} -p 8080 < ${file}`)
      expect(said.trim().split('\n').slice(-10_000)).toEqual(Array.from({ length: 10_000 }, (_, at) => String(at)))
    },
  )

  needsNamespaces('postgres', 'psql')(`${mode}: PostgreSQL answers a long query whole`, async () => {
    const { lab, vip } = place(mode)
    postgres(lab, 'e1', [lab.near('e1'), ...(mode === 'dsr' ? [vip] : [])])
    await startRelay(lab, 'r1', configOf(mode, vip, [1]))
    const psql = (query: string) =>
      lab.run('c1', pathOf('psql')!, '-h', vip, '-p', '8080', '-U', 'postgres', '-Atc', query)
    await untilSays(() => psql('select 1'), '1')
    const rows = psql(`select repeat('x', 100) || n from generate_series(1, 20000) n`).trim().split('\n')
    expect([rows.length, rows[0], rows.at(-1)]).toEqual([20_000, `${'x'.repeat(100)}1`, `${'x'.repeat(100)}20000`])
  })

  needsNamespaces('knotd', 'dig')(
    `${mode}: a name server is asked a thousand times, and no question is lost`,
    async () => {
      const { lab, vip } = place(mode)
      for (const name of ['e1', 'e2'] as const) knot(lab, name, [lab.near(name), ...(mode === 'dsr' ? [vip] : [])])
      await startRelay(
        lab,
        'r1',
        configOf(mode, vip, [1, 1], { listener: { kind: 'udp' }, pool: { probe: { kind: 'tcp', interval: '250ms' } } }),
      )
      const dig = (...args: string[]) =>
        lab.run('c1', 'dig', `@${vip}`, '-p', '8080', '+short', '+tries=3', '+time=2', ...args)
      await untilSays(() => dig('www.lab.test'), '192.0.2.7')
      const file = join(temporary(), 'questions')
      writeFileSync(file, 'who.lab.test TXT\n'.repeat(1000))
      // Each question from a port of its own.
      const answers = dig('-f', file).trim().split('\n')
      expect(answers).toHaveLength(1000)
      const met = tally(answers, answer => answer)
      expect(Object.keys(met).sort()).toEqual(['"e1"', '"e2"'])
      expect(met['"e1"']).toBeGreaterThan(400)
      expect(met['"e1"']).toBeLessThan(600)
    },
  )
}

function place(mode: Mode): { lab: Lab; vip: string } {
  const lab = makeLab(clear => onTestFinished(clear))
  const vip = vipOf(mode)
  lab.give('r1', vip, mode === 'dsr' ? 'eth0' : 'eth1')
  if (mode === 'dsr') for (const name of ['e1', 'e2'] as const) lab.give(name, vip)
  return { lab, vip }
}

function postgres(lab: Lab, name: Name, hosts: readonly string[]): void {
  const folder = temporary()
  const [uid, gid] = ['-u', '-g'].map(option => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' })))
  chownSync(folder, uid!, gid!)
  const where = join(folder, 'cluster')
  const initdb = ['-D', where, '-U', 'postgres', '--auth=trust', '--no-sync', '--locale=C', '--encoding=UTF8']
  execFileSync(pathOf('initdb')!, initdb, { cwd: folder, stdio: 'ignore', uid, gid })
  writeFileSync(join(where, 'pg_hba.conf'), 'host all all all trust\n')
  const as = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups']
  const options = ['-D', where, '-p', '8080', '-h', hosts.join(','), '-k', folder, '-F']
  lab.start(name, 'setpriv', [...as, pathOf('postgres')!, ...options], { cwd: folder })
}

/** It says who it is. */
function knot(lab: Lab, name: Name, hosts: readonly string[]): void {
  const folder = temporary()
  const [file, zone] = [join(folder, 'knot.conf'), join(folder, 'zone')]
  const records = [
    '@ SOA ns.lab.test. me.lab.test. 1 3600 600 86400 60',
    '@ NS ns',
    'ns A 192.0.2.1',
    'www A 192.0.2.7',
    `who TXT "${name}"`,
  ]
  writeFileSync(zone, `$ORIGIN lab.test.\n$TTL 60\n${records.join('\n')}\n`)
  writeFileSync(
    file,
    `server:
  rundir: ${folder}
  listen: [ ${hosts.map(host => `${host}@8080`).join(', ')} ]
  udp-workers: 1
  tcp-workers: 1
database:
  storage: ${folder}
zone:
  - domain: lab.test
    file: ${zone}
    zonefile-sync: -1
    journal-content: none
`,
  )
  lab.start(name, pathOf('knotd')!, ['-c', file], { cwd: folder })
}

async function untilSays(ask: () => string, text: string): Promise<void> {
  for (;;) {
    try {
      if (ask().includes(text)) return
    } catch {
      // Not there yet.
    }
    await new Promise(later => setTimeout(later, 200))
  }
}
