// Four relays before the same endpoint, each in a process of its own: ours as the command, HAProxy with one thread,
// nginx stream with one worker, and `socket.pipe`. None writes a line for a connection.

import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type SideName = 'fourseven' | 'haproxy' | 'nginx' | 'socket.pipe'

export type RelaySide = Program<SideName>

export interface Program<Name extends string = string> {
  readonly name: Name
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

/** Ours first. */
export const SIDE_NAMES: readonly SideName[] = ['fourseven', 'haproxy', 'nginx', 'socket.pipe']

/** Starts one of the four. */
export function startSide(name: SideName, endpointPort: number): Promise<RelaySide> {
  return startProgram(name, port => recipes[name](port, endpointPort))
}

/** Starts it on a free port and waits until it is ready: until it accepts, unless told otherwise. Throws when it ends before, or after ten seconds. */
export async function startProgram<Name extends string>(
  name: Name,
  recipeFor: (port: number) => Recipe,
  isReady: (port: number) => Promise<boolean> = accepts,
): Promise<Program<Name>> {
  const folder = await mkdtemp(join(tmpdir(), 'fourseven-bench-'))
  const port = await freePort()
  const { file, text, command } = recipeFor(port)
  await writeFile(join(folder, file), text)
  const [program, ...args] = command
  const child = spawn(program!, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (said = (said + chunk).slice(-2_000)))
  let fault: string | undefined
  child.on('error', error => (fault = error.message))
  const stop = async () => {
    child.kill('SIGKILL')
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    await rm(folder, { recursive: true })
  }
  const until = Date.now() + LONGEST_START_MS
  while (!(await isReady(port))) {
    if (child.exitCode !== null || fault !== undefined || Date.now() > until) {
      await stop()
      throw new Error(`${name} does not start: ${fault ?? said}`)
    }
    await new Promise(later => setTimeout(later, 50))
  }
  return { name, port, pid: child.pid!, stop }
}

/** Free for TCP and for UDP: the sockets of a thousand sessions may be open already. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    const socket = createSocket('udp4')
    const isFree = await new Promise<boolean>(resolve => {
      socket.once('error', () => resolve(false))
      socket.bind(port, '127.0.0.1', () => resolve(true))
    })
    socket.close()
    if (isFree) return port
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })
}

/** A config file, and the command that runs with it. */
export interface Recipe {
  readonly file: string
  readonly text: string
  readonly command: readonly string[]
}

const LONGEST_START_MS = 10_000

// Limits above what the benches open, and within 20,000 descriptors at two a connection.
const recipes: Readonly<Record<SideName, (port: number, endpointPort: number) => Recipe>> = {
  fourseven: (port, endpointPort) => ({
    file: 'routes.json',
    text: JSON.stringify({
      listeners: { bench: { kind: 'tcp', address: `127.0.0.1:${port}`, maxConnections: 9_500 } },
      pools: { bench: { endpoints: [`tcp://127.0.0.1:${endpointPort}`] } },
      routes: [{ name: 'bench', listener: 'bench', pool: 'bench' }],
    }),
    command: [
      process.execPath,
      fileURLToPath(new URL('../cli/fourseven.js', import.meta.url)),
      ...['relay', 'routes.json', '--no-watch', '--no-records'],
    ],
  }),
  haproxy: (port, endpointPort) => ({
    file: 'haproxy.cfg',
    text: `global
  nbthread 1
  maxconn 9500
defaults
  mode tcp
  timeout connect 2s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:${port} backlog 4096
  server endpoint 127.0.0.1:${endpointPort}
`,
    command: ['/usr/sbin/haproxy', '-db', '-f', 'haproxy.cfg'],
  }),
  nginx: (port, endpointPort) => ({
    file: 'nginx.conf',
    text: `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 19900; }
stream {
  server {
    listen 127.0.0.1:${port} backlog=4096;
    proxy_pass 127.0.0.1:${endpointPort};
    proxy_connect_timeout 2s;
    proxy_timeout 1h;
    proxy_half_close on;
    tcp_nodelay on;
  }
}
`,
    command: ['/usr/sbin/nginx', '-p', '.', '-c', 'nginx.conf'],
  }),
  'socket.pipe': (port, endpointPort) => ({
    file: 'empty',
    text: '',
    command: [
      process.execPath,
      fileURLToPath(new URL('relay-pipe.ts', import.meta.url)),
      String(port),
      String(endpointPort),
    ],
  }),
}
