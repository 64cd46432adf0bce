// Real servers for tests: started on 127.0.0.1 with configs of their own in a temporary folder, and gone after the test.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { pathOf } from './needs.ts'

/** The parts of a config, written behind timeouts that fit a test. Resolves when `port` takes connections. */
export async function haproxy(port: number, parts: string): Promise<void> {
  const folder = temporary()
  const file = join(folder, 'haproxy.cfg')
  const head = 'defaults\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n'
  writeFileSync(file, `${head}${parts}\n`)
  await started('haproxy', ['-f', file, '-db'], port, folder)
}

export const nginxStream = '/usr/lib/nginx/modules/ngx_stream_module.so'

/** What stands in `stream { … }` or, without the module, in `http { … }`. */
export async function nginx(port: number, kind: 'stream' | 'http', inside: string): Promise<void> {
  const folder = temporary()
  const file = join(folder, 'nginx.conf')
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${folder}/${name};`)
    .join(' ')
  writeFileSync(
    file,
    `${kind === 'stream' ? `load_module ${nginxStream};\n` : ''}daemon off; master_process off; pid ${folder}/pid;
error_log ${folder}/error.log; events {}
${kind} { ${kind === 'http' ? `access_log off; ${paths}` : ''} ${inside} }\n`,
  )
  await started('nginx', ['-c', file, '-p', folder, '-e', join(folder, 'error.log')], port, folder)
}

/**
 * An HTTP/2 proxy of nghttp2 that listens in the clear, for HTTP/1.1 and HTTP/2.
 *
 * @param backend as `--backend` has it: `127.0.0.1,8080;;proto=h2`
 */
export async function nghttpx(port: number, backend: string, args: readonly string[] = []): Promise<void> {
  const from = ['--conf=/dev/null', '--workers=1', '--single-process', `--frontend=127.0.0.1,${port};no-tls`]
  await started('nghttpx', [...from, `--backend=${backend}`, ...args], port, temporary())
}

export async function redis(port: number, args: readonly string[] = []): Promise<ChildProcess> {
  const folder = temporary()
  return started('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', ...args], port, folder)
}

/** Its server; it takes one test at a time. */
export async function iperf3(port: number): Promise<ChildProcess> {
  return started('iperf3', ['--server', '--port', String(port), '--bind', '127.0.0.1'], port, temporary())
}

/** A fresh cluster that anybody on this machine may log in to as `postgres`. Does not run as root, so it runs as `postgres`. */
export async function postgres(
  port: number,
  tls?: { readonly cert: string; readonly key: string },
): Promise<ChildProcess> {
  const folder = temporary()
  const user = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {}
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid)
  const where = join(folder, 'cluster')
  const initdb = ['-D', where, '-U', 'postgres', '--auth=trust', '--no-sync', '--locale=C', '--encoding=UTF8']
  execFileSync(pathOf('initdb')!, initdb, { cwd: folder, stdio: 'ignore', ...user })
  const options = ['-D', where, '-p', String(port), '-h', '127.0.0.1', '-k', folder, '-F']
  if (tls !== undefined) {
    const [cert, key] = [join(where, 'server.crt'), join(where, 'server.key')]
    copyFileSync(tls.cert, cert)
    copyFileSync(tls.key, key)
    // Postgres refuses a key that others may read.
    chmodSync(key, 0o600)
    if (user.uid !== undefined) for (const file of [cert, key]) chownSync(file, user.uid, user.gid)
    options.push('-c', 'ssl=on', '-c', `ssl_cert_file=${cert}`, '-c', `ssl_key_file=${key}`)
  }
  return started('postgres', options, port, folder, user)
}

/**
 * Knot DNS with this one zone, which it gives away whole to whoever asks from here (AXFR). Gives its port, which has to be
 * free for UDP too: so another one is tried when it is not.
 */
export async function knot(zone: string, records: readonly string[], triesLeft = 5): Promise<number> {
  const [folder, port] = [temporary(), await freePort()]
  const [file, zoneFile] = [join(folder, 'knot.conf'), join(folder, 'zone')]
  writeFileSync(zoneFile, `$ORIGIN ${zone}.\n$TTL 60\n${records.join('\n')}\n`)
  writeFileSync(
    file,
    `server:
  rundir: ${folder}
  listen: 127.0.0.1@${port}
  tcp-workers: 1
database:
  storage: ${folder}
log:
  - target: stderr
    any: error
acl:
  - id: here
    address: 127.0.0.1
    action: transfer
zone:
  - domain: ${zone}
    file: ${zoneFile}
    zonefile-sync: -1
    journal-content: none
    acl: here
`,
  )
  try {
    await started('knotd', ['-c', file], port, folder)
    return port
  } catch (error) {
    if (triesLeft === 1 || !String(error).includes('address already in use')) throw error
    return knot(zone, records, triesLeft - 1)
  }
}

/** A key and a certificate signed by itself, as PEM files. */
export function selfSigned(name: string): { readonly key: string; readonly cert: string } {
  const folder = temporary()
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', cert, ...names], { stdio: 'ignore' })
  return { key, cert }
}

/** A port that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Gone after the test. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'fourseven-'))
  mkdirSync(folder, { recursive: true })
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function started(
  program: string,
  args: readonly string[],
  port: number,
  folder: string,
  user: { readonly uid?: number; readonly gid?: number } = {},
): Promise<ChildProcess> {
  const child = spawn(pathOf(program)!, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], ...user })
  let said = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.on('data', text => {
      said += text
    })
  }
  const gone = once(child, 'exit')
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill(program === 'postgres' ? 'SIGINT' : 'SIGTERM')
    await gone
  })
  while (!(await isOpen(port))) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}:\n${said}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  return child
}

function isOpen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function idOf(option: '-u' | '-g'): number {
  return Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
}
