// The relay as a program of its own, with a config file of its own, for tests that load it from outside.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { ConfigInput } from '../../shared/config/config.ts'
import { repository } from '../cli/command.ts'
import { temporary } from '../support/servers.ts'

/** A line of its stdout: the record of a connection, or an event. */
export type Line = Readonly<Record<string, unknown>>

export interface Program {
  /** Of the listener `door`. */
  readonly port: number
  /** All lines so far. */
  readonly lines: readonly Line[]
  /** Resolves with the lines that `wanted` takes, once there are so many of them. */
  readonly until: (wanted: (line: Line) => boolean, count?: number) => Promise<Line[]>
  /** Writes another config, reloads and resolves with the event that says how it went. */
  readonly reload: (config: ConfigInput) => Promise<Line>
  readonly metrics: () => Promise<string>
  /** SIGTERM. */
  readonly terminate: () => void
  /** Its exit code, once it has ended. */
  readonly exit: Promise<number | null>
}

/** Its listeners need a `door`. @param openFiles how many descriptors it may have */
export async function relayProgram(
  config: ConfigInput,
  { args = [], openFiles }: { readonly args?: readonly string[]; readonly openFiles?: number } = {},
): Promise<Program> {
  const file = join(temporary(), 'routes.json')
  writeFileSync(file, JSON.stringify(config))
  const command = [join(repository, 'cli/fourseven.js'), 'relay', file, '--json', '--no-watch']
  const shell = `${openFiles === undefined ? '' : `ulimit -n ${openFiles}; `}exec "$0" "$@"`
  const child = spawn('sh', ['-c', shell, process.execPath, ...command, '--operator', '127.0.0.1:0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'exit')
  const exit = exited.then(([code]) => code as number | null)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const lines: Line[] = []
  let rest = ''
  let stderr = ''
  let isOver = false
  let waiting: (() => void)[] = []
  const heard = () => {
    const all = waiting
    waiting = []
    for (const look of all) look()
  }
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  child.stdout.setEncoding('utf8').on('data', text => {
    const whole = (rest + text).split('\n')
    rest = whole.pop()!
    for (const line of whole) lines.push(JSON.parse(line))
    heard()
  })
  child.once('close', () => {
    isOver = true
    heard()
  })

  const until = async (wanted: (line: Line) => boolean, count = 1) => {
    for (;;) {
      const found = lines.filter(wanted)
      if (found.length >= count) return found
      if (isOver) throw new Error(`the relay ended before that line:\n${JSON.stringify(lines.slice(-20))}\n${stderr}`)
      await new Promise<void>(look => waiting.push(look))
    }
  }
  let reloads = 0
  const reload = async (next: ConfigInput) => {
    writeFileSync(file, JSON.stringify(next))
    child.kill('SIGHUP')
    reloads += 1
    const all = await until(({ event }) => event === 'reloaded' || event === 'reload_failed', reloads)
    return all[reloads - 1]!
  }
  const [listening] = await until(({ event, listener }) => event === 'listening' && listener === 'door')
  const [operator] = await until(({ event }) => event === 'operator_listening')
  const metrics = async () => (await fetch(`http://127.0.0.1:${operator!.port}/metrics`)).text()
  return {
    port: listening!.port as number,
    lines,
    until,
    reload,
    metrics,
    terminate: () => void child.kill('SIGTERM'),
    exit,
  }
}

/** One listener `door`, and one pool of these ports behind it. */
export function configTo(ports: readonly number[], { maxConnections = 1000 } = {}): ConfigInput {
  return {
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0', maxConnections } },
    pools: { pool: { endpoints: ports.map(port => `tcp://127.0.0.1:${port}`) } },
    routes: [{ name: 'route', listener: 'door', pool: 'pool' }],
  }
}

/** Of a request at an `http` listener. */
export function isRequest({ door }: Line): boolean {
  return door === 'http'
}

export function isRecord({ bytesIn }: Line): boolean {
  return bytesIn !== undefined
}

export function sum(lines: readonly Line[], key: 'bytesIn' | 'bytesOut'): number {
  return lines.reduce((all, line) => all + (line[key] as number), 0)
}
