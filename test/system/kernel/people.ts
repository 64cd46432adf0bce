// Who lives in the lab: echo servers at the endpoints, crowds at the clients, and the relay as a program of its own.

import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ConfigInput } from '../../../shared/config/config.ts'
import { repository } from '../../cli/command.ts'
import { temporary } from '../../support/servers.ts'
import type { Lab, Name } from './lab.ts'

export type Line = Readonly<Record<string, unknown>>

export const endpoints = ['e1', 'e2', 'e3', 'e4'] as const

/** An echo server at each endpoint, on its own address and on `ips`, which it gets too. */
export async function serveEchoes(
  lab: Lab,
  port: number,
  ips: readonly string[],
  names: readonly Name[] = endpoints,
): Promise<void> {
  await Promise.all(
    names.map(async name => {
      for (const ip of ips) lab.give(name, ip)
      const child = lab.start(name, process.execPath, [script('echo.ts'), name, String(port), lab.near(name), ...ips])
      await said(child, 'ready')
    }),
  )
}

export interface Met {
  readonly endpoint: string
  readonly address: string
  readonly port: number
  readonly localPort: number
}

export interface Crowd {
  readonly open: (
    host: string,
    port: number,
    count: number,
  ) => Promise<{ met: readonly Met[]; failed: readonly string[] }>
  readonly talk: (bytes: number) => Promise<readonly { endpoint: string; is: 'exact' | 'wrong' | 'over' | 'silent' }[]>
  readonly close: () => Promise<void>
  readonly udp: (
    host: string,
    port: number,
    ask: { from: number; count: number; bytes?: number; timeoutMs?: number },
  ) => Promise<readonly (string | null)[]>
}

export function gather(lab: Lab, name: Name): Crowd {
  const child = lab.start(name, process.execPath, [script('crowd.ts')])
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  let stderr = ''
  child.stderr!.on('data', text => {
    stderr += text
  })
  const tell = async (command: object) => {
    child.stdin!.write(`${JSON.stringify(command)}\n`)
    const { value, done } = await lines.next()
    if (done === true) throw new Error(`the crowd has gone: ${stderr}`)
    return JSON.parse(value)
  }
  return {
    open: (host, port, count) => tell({ do: 'open', host, port, count }),
    talk: bytes => tell({ do: 'talk', bytes }),
    close: () => tell({ do: 'close' }),
    udp: (host, port, ask) => tell({ do: 'udp', host, port, ...ask }),
  }
}

export interface LabRelay {
  readonly lines: readonly Line[]
  readonly until: (wanted: (line: Line) => boolean, count?: number) => Promise<Line[]>
  readonly reload: (config: ConfigInput) => Promise<Line>
  readonly metrics: () => string
  readonly ask: (method: 'GET' | 'POST', path: string, body?: object) => unknown
  readonly kill: (signal: NodeJS.Signals) => Promise<number | null>
}

/** Resolves when its listeners are in the kernel; throws with what it says when it ends before. */
export async function startRelay(
  lab: Lab,
  name: Name,
  config: ConfigInput,
  args: readonly string[] = [],
  before: readonly string[] = [],
): Promise<LabRelay> {
  const file = join(temporary(), 'routes.json')
  // It may run as another user.
  chmodSync(dirname(file), 0o755)
  writeFileSync(file, JSON.stringify(config))
  const command = [join(repository, 'cli/fourseven.js'), 'relay', file, '--json', '--no-watch', '--operator', operator]
  const whole = [...before, process.execPath, ...command, ...args]
  const child = lab.start(name, whole[0]!, whole.slice(1))
  const lines: Line[] = []
  let stderr = ''
  let isOver = false
  let waiting: (() => void)[] = []
  const heard = () => {
    const all = waiting
    waiting = []
    for (const look of all) look()
  }
  child.stderr!.on('data', text => {
    stderr += text
  })
  createInterface({ input: child.stdout! }).on('line', line => {
    lines.push(JSON.parse(line))
    heard()
  })
  const exited = once(child, 'exit').then(([code]) => {
    isOver = true
    heard()
    return code as number | null
  })
  const until = async (wanted: (line: Line) => boolean, count = 1) => {
    for (;;) {
      const found = lines.filter(wanted)
      if (found.length >= count) return found
      if (isOver) throw new Error(`the relay has ended:\n${JSON.stringify(lines.slice(-10), null, 1)}\n${stderr}`)
      await new Promise<void>(look => waiting.push(look))
    }
  }
  await until(({ event }) => event === 'operator_listening')
  let reloads = 0
  const ask: LabRelay['ask'] = (method, path, body) => {
    const data = body === undefined ? [] : ['-d', JSON.stringify(body)]
    return JSON.parse(lab.run(name, 'curl', '-sS', '-X', method, ...data, `http://${operator}${path}`))
  }
  return {
    lines,
    until,
    reload: async next => {
      writeFileSync(file, JSON.stringify(next))
      child.kill('SIGHUP')
      reloads += 1
      const all = await until(({ event }) => event === 'reloaded' || event === 'reload_failed', reloads)
      return all[reloads - 1]!
    },
    metrics: () => lab.run(name, 'curl', '-sS', `http://${operator}/metrics`),
    ask,
    kill: async signal => {
      child.kill(signal)
      return exited
    },
  }
}

/** How many there are of each. */
export function tally<Item>(items: readonly Item[], of: (item: Item) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[of(item)] = (counts[of(item)] ?? 0) + 1
  return counts
}

export function script(name: string): string {
  return join(repository, 'test/system/kernel', name)
}

async function said(child: { readonly stdout: NodeJS.ReadableStream | null }, text: string): Promise<void> {
  let heard = ''
  for await (const chunk of child.stdout!) {
    heard += chunk
    if (heard.includes(text)) return
  }
  throw new Error(`it ended and said ${heard}`)
}

/** In a namespace of its own. */
const operator = '127.0.0.1:9047'
