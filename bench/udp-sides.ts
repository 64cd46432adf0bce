// UDP relays before the same endpoint, each in a process of its own: ours as the command with one thread and with two,
// nginx stream with one worker, and one made of `dgram`.

import { createSocket } from 'node:dgram'
import { fileURLToPath } from 'node:url'
import { type Program, type Recipe, startProgram } from './relay-sides.ts'

export type UdpSideName = '1 thread' | '2 threads' | 'nginx' | 'dgram'

/** Ours first. */
export const UDP_SIDE_NAMES: readonly UdpSideName[] = ['1 thread', '2 threads', 'nginx', 'dgram']

export function startUdpSide(name: UdpSideName, endpointPort: number): Promise<Program<UdpSideName>> {
  return startProgram(name, port => recipes[name](port, endpointPort), answers)
}

/** Whether a datagram comes back; that is a session of its own, and the same at every side. */
function answers(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  return new Promise<boolean>(resolve => {
    const timer = setTimeout(() => resolve(false), 200)
    socket.on('message', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('close', () => clearTimeout(timer))
    socket.connect(port, '127.0.0.1', () => socket.send('ready'))
  }).finally(() => socket.close())
}

const recipes: Readonly<Record<UdpSideName, (port: number, endpointPort: number) => Recipe>> = {
  '1 thread': (port, endpointPort) => ours(1, port, endpointPort),
  '2 threads': (port, endpointPort) => ours(2, port, endpointPort),
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
    listen 127.0.0.1:${port} udp rcvbuf=4m;
    proxy_pass 127.0.0.1:${endpointPort};
    proxy_timeout 10m;
  }
}
`,
    command: ['/usr/sbin/nginx', '-p', '.', '-c', 'nginx.conf'],
  }),
  dgram: (port, endpointPort) => ({
    file: 'empty',
    text: '',
    command: [
      process.execPath,
      fileURLToPath(new URL('udp-naive.ts', import.meta.url)),
      String(port),
      String(endpointPort),
    ],
  }),
}

function ours(threads: number, port: number, endpointPort: number): Recipe {
  return {
    file: 'routes.json',
    text: JSON.stringify({
      threads,
      listeners: { bench: { kind: 'udp', address: `127.0.0.1:${port}` } },
      pools: { bench: { endpoints: [`udp://127.0.0.1:${endpointPort}`] } },
      routes: [{ name: 'bench', listener: 'bench', pool: 'bench', timeouts: { idle: '10m' } }],
    }),
    command: [
      process.execPath,
      fileURLToPath(new URL('../cli/fourseven.js', import.meta.url)),
      ...['relay', 'routes.json', '--no-watch', '--no-records'],
    ],
  }
}
