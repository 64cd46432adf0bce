// The examples of how to run the relay: what the systemd unit and the Dockerfile name is there and works. The image is not
// built here, since that takes a Docker with a network.

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startFourseven } from './cli/command.ts'
import { needs } from './support/needs.ts'
import { read, root } from './support/pages.ts'
import { freePort, temporary } from './support/servers.ts'

const unit = read('examples/systemd/fourseven-relay.service')
const dockerfile = read('examples/docker/Dockerfile')

needs('systemd-analyze')('the unit passes systemd-analyze, and its hardening counts', () => {
  const file = join(temporary(), 'fourseven-relay.service')
  // The clone is here and not at /opt; everything else is as written.
  writeFileSync(file, unit.replaceAll('/opt/fourseven/', root))
  const run = (...args: readonly string[]) =>
    execFileSync('systemd-analyze', [...args], { encoding: 'utf8', stdio: 'pipe' })
  expect(run('verify', file)).toBe('')
  // 0 is closed, 10 is open; a unit that says nothing has 9.6.
  const exposure = Number(/exposure level for .*: ([\d.]+)/.exec(run('security', '--offline=yes', file))![1])
  expect(exposure).toBeLessThan(2.5)
})

test('the unit waits longer than the relay drains, and has descriptors for the default limit', () => {
  const seconds = (name: string) => Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(unit)![1])
  expect(seconds('TimeoutStopSec')).toBeGreaterThan(5 + 30)
  expect(seconds('LimitNOFILE')).toBeGreaterThan(2 * 10_000 + 128)
  expect(unit).toMatch(/^ExecReload=\S+ -HUP \$MAINPID$/m)
})

test('the line that the unit starts serves, reloads at SIGHUP and ends with 0 at SIGTERM', async () => {
  const [, args] = /^ExecStart=\S+\/node \S+\/fourseven\.js (.+)$/m.exec(unit)!
  const folder = temporary()
  const file = join(folder, 'routes.yaml')
  const config = {
    listeners: { web: { kind: 'tcp', address: '127.0.0.1:0' } },
    pools: { web: { endpoints: ['tcp://127.0.0.1:9'] } },
    routes: [{ name: 'web', listener: 'web', pool: 'web' }],
  }
  writeFileSync(file, JSON.stringify(config))
  const line = args!.replace('/etc/fourseven/routes.yaml', file).replace(':9047', `:${await freePort()}`)
  const running = startFourseven([...line.split(' '), '--json', '--drain-delay', '0'])
  await running.line(said => said.includes('"operator_listening"'))
  running.child.kill('SIGHUP')
  await running.line(said => said.includes('SIGHUP'))
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
})

test('the Dockerfile is for Node 24, names no host, and ends as a user without rights', () => {
  const lines = dockerfile.split('\n').filter(line => /^[A-Z]+ /.test(line))
  expect(lines[0]).toBe('FROM node:24-slim')
  expect(dockerfile).not.toMatch(/https?:\/\/(?!127\.0\.0\.1)|registry/)
  const user = lines.indexOf('USER node')
  expect(user).toBeGreaterThan(lines.findLastIndex(line => /^(RUN|COPY) /.test(line)))
  expect(user).toBeLessThan(lines.findIndex(line => line.startsWith('ENTRYPOINT ')))
})

test('what the Dockerfile copies is there and enough for the command', () => {
  const image = temporary()
  const workspaces = JSON.parse(read('package.json')).workspaces as string[]
  const copies = [...dockerfile.matchAll(/^COPY (.+) (\S+)$/gm)].flatMap(([, from, to]) =>
    from!.split(' ').map(source => [source, to!] as const),
  )
  for (const [source, to] of copies) {
    const target = join(
      image,
      to,
      to.endsWith('/') && !statSync(join(root, source)).isDirectory() ? nameOf(source) : '',
    )
    cpSync(join(root, source), target, { recursive: true, filter: path => !path.includes('node_modules') })
  }
  expect(readdirSync(image).sort()).toEqual([...workspaces, 'package-lock.json', 'package.json'].sort())
  // In place of `npm ci`.
  symlinkSync(join(root, 'node_modules'), join(image, 'node_modules'))
  for (const folder of workspaces) {
    const own = join(root, folder, 'node_modules')
    if (existsSync(own)) symlinkSync(own, join(image, folder, 'node_modules'))
  }
  const command = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(dockerfile)![1]!) as string[]
  const said = execFileSync(process.execPath, [...command.slice(1), '--help'], { cwd: image, encoding: 'utf8' })
  const options = JSON.parse(/^CMD (\[.+)$/m.exec(dockerfile)![1]!) as string[]
  for (const option of options.filter(word => word.startsWith('--'))) expect(said).toContain(option)
  expect(readFileSync(join(root, 'examples/docker/Dockerfile.dockerignore'), 'utf8')).toContain('**/node_modules')
})

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
