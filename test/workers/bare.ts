// The Worker in a bare `workerd serve`, as somebody runs it who does not run it at Cloudflare: nothing stands in front of
// it. `lab.ts` goes through Miniflare, whose own entry Worker refuses and mends some requests before ours sees them.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { afterAll } from 'vitest'
import { bundleEdge } from '../../cli/edge.ts'
import type { ConfigInput } from '../../shared/config/config.ts'
import { parse } from '../../shared/config/parse.ts'
import type { EdgeRecord } from './lab.ts'

export interface Bare {
  readonly port: number
  readonly process: ChildProcess
  readonly records: readonly EdgeRecord[]
}

/** Ends with the test file. */
export async function bare(input: ConfigInput): Promise<Bare> {
  const folder = mkdtempSync(join(tmpdir(), 'fourseven-'))
  const worker = await bundleEdge(parse(input, { variables: {} }).config)
  writeFileSync(join(folder, 'main.js'), worker)
  writeFileSync(join(folder, 'workerd.capnp'), CAPNP)
  // What the runtime itself complains of while it is attacked is no news.
  const child = spawn(BINARY, ['serve', 'workerd.capnp', '--control-fd=3'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  })
  closing.push(() => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  })
  const records: EdgeRecord[] = []
  createInterface(child.stdout!).on('line', line => {
    if (line.startsWith('{"time":')) records.push(JSON.parse(line))
  })
  const [said] = (await once(createInterface(child.stdio[3] as Readable), 'line')) as [string]
  return { port: JSON.parse(said).port, process: child, records }
}

const closing: (() => void)[] = []
afterAll(() => {
  for (const close of closing) close()
})

const BINARY = (createRequire(import.meta.url)('workerd') as { default: string }).default
const CAPNP = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "main.js", esModule = embed "main.js")],
  compatibilityDate = "2026-11-02",
  compatibilityFlags = ["nodejs_compat"],
);
`
