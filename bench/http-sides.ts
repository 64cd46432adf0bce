// HTTP proxies before the same endpoint, each in a process of its own with one thread: ours as the command, nginx with one
// worker, HAProxy, and a bare Node proxy that routes nothing. None writes a line for a request.

import { fileURLToPath } from 'node:url'
import { type Program, type Recipe, startProgram } from './relay-sides.ts'

export type Kind = 'h1' | 'grpc'
export type HttpSideName = 'fourseven' | 'nginx' | 'haproxy' | 'bare node'

/** Ours first. */
export const HTTP_SIDES: readonly HttpSideName[] = ['fourseven', 'nginx', 'haproxy', 'bare node']

export function startHttpSide(kind: Kind, name: HttpSideName, endpointPort: number): Promise<Program<HttpSideName>> {
  return startProgram(name, port => recipes[name](kind, port, endpointPort))
}

const recipes: Readonly<Record<HttpSideName, (kind: Kind, port: number, endpointPort: number) => Recipe>> = {
  fourseven: (kind, port, endpointPort) => ({
    file: 'routes.json',
    text: JSON.stringify({
      threads: 1,
      listeners: { bench: { kind: 'http', address: `127.0.0.1:${port}` } },
      pools: { bench: { endpoints: [`${kind === 'h1' ? 'http' : 'h2c'}://127.0.0.1:${endpointPort}`] } },
      routes: [{ name: 'bench', listener: 'bench', pool: 'bench' }],
    }),
    command: [
      process.execPath,
      fileURLToPath(new URL('../cli/fourseven.js', import.meta.url)),
      ...['relay', 'routes.json', '--no-watch', '--no-records'],
    ],
  }),
  nginx: (kind, port, endpointPort) => ({
    file: 'nginx.conf',
    text: `daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 19900; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  keepalive_requests 100000000;
  upstream endpoint { server 127.0.0.1:${endpointPort}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port}${kind === 'grpc' ? ' http2' : ''} backlog=4096;
    http2_max_concurrent_streams 100000;
    location / {
      ${kind === 'grpc' ? 'grpc_pass grpc://endpoint; grpc_read_timeout 1h; grpc_send_timeout 1h; client_body_timeout 1h;' : 'proxy_pass http://endpoint; proxy_http_version 1.1; proxy_set_header Connection "";'}
    }
  }
}
`,
    command: ['/usr/sbin/nginx', '-p', '.', '-c', 'nginx.conf'],
  }),
  haproxy: (kind, port, endpointPort) => ({
    file: 'haproxy.cfg',
    text: `global
  nbthread 1
  maxconn 9500
  tune.h2.max-concurrent-streams 10000
defaults
  mode http
  timeout connect 2s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:${port} backlog 4096${kind === 'grpc' ? ' proto h2' : ''}
  server endpoint 127.0.0.1:${endpointPort}${kind === 'grpc' ? ' proto h2' : ''}
`,
    command: ['/usr/sbin/haproxy', '-db', '-f', 'haproxy.cfg'],
  }),
  'bare node': (kind, port, endpointPort) => ({
    file: 'empty',
    text: '',
    command: [
      process.execPath,
      fileURLToPath(new URL('http-bare.ts', import.meta.url)),
      ...[kind, String(port), String(endpointPort)],
    ],
  }),
}
