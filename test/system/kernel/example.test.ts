// examples/kernel in a namespace: what `kernel print` says is taken by the nft there, and a relay runs it.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import example from '../../../examples/kernel/routes.ts'
import { fourseven, repository } from '../../cli/command.ts'
import { needsNamespaces } from '../../support/needs.ts'
import { makeLab } from './lab.ts'
import { startRelay } from './people.ts'

const config = join(repository, 'examples/kernel/routes.ts')

test('kernel print shows both tables, each endpoint with its share', async () => {
  const { code, stdout } = await fourseven(['kernel', 'print', config])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^table inet fourseven/m)
  expect(stdout).toMatch(/^table netdev fourseven/m)
  expect(stdout).toContain('192.0.2.10 . tcp . 873 : goto rsync.v4.tcp')
  const shares = [...stdout.matchAll(/# (\d+) of 65537 slots : \d+$/gm)].map(([, count]) => Number(count) / 65_537)
  expect(shares.map(share => Math.round(share * 100)).sort()).toEqual([25, 25, 50])
})

needsNamespaces()('kernel print --nft is what nft takes, and the relay forwards by it', async () => {
  const { stdout } = await fourseven(['kernel', 'print', config, '--nft'])
  const load = ['-n', 'sh', '-c', 'ip link add eth0 type veth peer name eth9 && nft -f - && nft -t list ruleset']
  const listed = execFileSync('unshare', load, { input: stdout, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  expect(listed).toContain('map rsync.v4.tcp.to.rsync')
  const lab = makeLab(clear => onTestFinished(clear))
  lab.give('r1', '192.0.2.10')
  const relay = await startRelay(lab, 'r1', example)
  expect(lab.run('r1', 'nft', '-t', 'list', 'ruleset')).toContain('chain dns.v4.udp')
  expect(relay.lines.filter(({ event }) => event === 'listening').map(({ mode }) => mode)).toEqual(['dsr', 'nat'])
})
