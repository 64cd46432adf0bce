// One Worker in a raw `workerd serve` process of its own: no Miniflare, no entry Worker in front. Linux only: CPU time is
// read from /proc.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { parse as parseToml } from 'smol-toml'
import { cpuNsOf } from './used.ts'

export interface Workerd {
  readonly port: number
  /** Lines of the Worker's log so far; empty when it goes to /dev/null. */
  readonly log: readonly string[]
  /** Of all its threads since it began, in nanoseconds. */
  cpuNs(): number
  stop(): Promise<void>
}

export interface WorkerdOptions {
  /** ES modules by name; the first one is the Worker. */
  readonly modules: Readonly<Record<string, string>>
  readonly bindings: Readonly<Record<string, string>>
  /** Else the log goes to /dev/null. */
  readonly keepsLog: boolean
  /** A Worker that answers the Cache API, in the same process; without it there is no Cache API. */
  readonly cache?: string
  /** Durable Objects that the Worker exports, kept in a folder of their own: their classes by the names of their bindings. */
  readonly objects?: Readonly<Record<string, string>>
}

/** Starts it on a free port, with the compatibility date and flags of wrangler.toml and the network open to this machine. */
export async function startWorkerd(options: WorkerdOptions): Promise<Workerd> {
  const folder = await mkdtemp(join(tmpdir(), 'fourseven-bench-'))
  const files = Object.entries(options.modules).map(([name, source], at) => ({ name, source, file: `${at}.js` }))
  for (const { file, source } of files) await writeFile(join(folder, file), source)
  if (options.cache !== undefined) await writeFile(join(folder, 'cache.js'), options.cache)
  await mkdir(join(folder, 'kept'))
  await writeFile(join(folder, 'workerd.capnp'), await capnpOf(files, options))

  const child = spawn(BINARY, ['serve', 'workerd.capnp', '--control-fd=3'], {
    cwd: folder,
    stdio: ['ignore', options.keepsLog ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  createInterface(child.stderr!).on('line', line => {
    // Said at every start: the flag stands in wrangler.toml for older runtimes.
    if (!line.includes('nodejs_compat became the default')) console.error(line)
  })
  const log: string[] = []
  if (child.stdout !== null) createInterface(child.stdout).on('line', line => log.push(line))
  try {
    const port = await listening(child)
    const { pid } = child
    return {
      port,
      log,
      cpuNs: () => cpuNsOf(pid!),
      async stop() {
        child.kill('SIGKILL')
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
        await rm(folder, { recursive: true })
      },
    }
  } catch (error) {
    child.kill('SIGKILL')
    await rm(folder, { recursive: true })
    throw error
  }
}

/** workerd says on its control pipe where it listens, one JSON object a line. */
async function listening(child: ChildProcess): Promise<number> {
  const ended = once(child, 'exit').then(() => {
    throw new Error('workerd ended before it listened')
  })
  const said = once(createInterface(child.stdio[3] as Readable), 'line')
  const [line] = (await Promise.race([said, ended])) as [string]
  ended.catch(() => {})
  return JSON.parse(line).port
}

async function capnpOf(
  files: readonly { readonly name: string; readonly file: string }[],
  { bindings, cache: shelf, objects = {} }: WorkerdOptions,
): Promise<string> {
  const hasCache = shelf !== undefined
  const toml = parseToml(await readFile(new URL('../wrangler.toml', import.meta.url), 'utf8'))
  const text = JSON.stringify
  const modules = files.map(({ name, file }) => `(name = ${text(name)}, esModule = embed ${text(file)})`)
  const flags = (toml['compatibility_flags'] as string[]).map(flag => text(flag))
  const bound = [
    ...Object.entries(bindings).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...Object.entries(objects).map(([name, of]) => `(name = ${text(name)}, durableObjectNamespace = ${text(of)})`),
  ]
  const classes = Object.values(objects).map(
    of => `(className = ${text(of)}, uniqueKey = ${text(of)}, enableSql = true)`,
  )
  const kept = `durableObjectNamespaces = [${classes.join(', ')}], durableObjectStorage = (localDisk = "kept"),`
  const disk = classes.length > 0 ? '\n    (name = "kept", disk = (path = "kept", writable = true)),' : ''
  const dates = `compatibilityDate = ${text(toml['compatibility_date'])}, compatibilityFlags = [${flags.join(', ')}]`
  const cache = `const cache :Workerd.Worker = (modules = [(name = "cache.js", esModule = embed "cache.js")], ${dates});`
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),${hasCache ? '\n    (name = "cache", worker = .cache),' : ''}${disk}
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [${modules.join(', ')}],
  ${dates},
  bindings = [${bound.join(', ')}],${hasCache ? '\n  cacheApiOutbound = "cache",' : ''}${classes.length > 0 ? `\n  ${kept}` : ''}
);
${hasCache ? cache : ''}
`
}

const BINARY = (createRequire(import.meta.url)('workerd') as { default: string }).default
