// The edge on this machine: the Worker bundled with a config and run in workerd.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { Log, LogLevel, Miniflare, type MiniflareOptions } from 'miniflare'
import { parse as parseToml } from 'smol-toml'
import type { Variables } from '../shared/config/endpoint-address.ts'
import { packConfig } from '../shared/config/packed.ts'
import type { Config } from '../shared/config/parsed.ts'
import { partFor } from '../shared/config/part.ts'
import { formatHostPort } from '../shared/wire/address.ts'
import { CannotRun } from './exit.ts'

export interface EdgeOptions {
  /** Only its edge part is used. */
  readonly config: Config
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** What `${NAME}` means at the edge, and the Worker's secrets (`FOURSEVEN_COOKIE_KEY`, `FOURSEVEN_OPERATOR_TOKEN`). */
  readonly variables: Variables
  /** Other Workers beside it, each as the text of one ES module, by the name that `binding:NAME` endpoints say. */
  readonly services?: Readonly<Record<string, string>>
  /** One request's record, as the Worker wrote it. Whatever else the Worker logs goes to stderr. */
  readonly onRecord?: (record: object) => void
}

export interface Edge {
  /** `http://127.0.0.1:8787`, without a slash at the end. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Another config in the same place. workerd starts anew, so open requests and counts are lost, and the port is closed for a moment. */
  readonly reload: (config: Config, variables: Variables) => Promise<void>
  readonly stop: () => Promise<void>
}

/** Runs the edge part of a config in workerd. Throws CannotRun when the port is taken. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { host } = options
  const runtime = new Miniflare(await runtimeOptions(options))
  try {
    const port = Number((await runtime.ready).port)
    return {
      url: `http://${formatHostPort(host, port)}`,
      host,
      port,
      reload: async (config, variables) => {
        await runtime.setOptions(await runtimeOptions({ ...options, config, variables, port }))
      },
      stop: () => runtime.dispose(),
    }
  } catch (error) {
    // What failed to start is told again by its end.
    await runtime.dispose().catch(() => undefined)
    const why = error instanceof Error ? whyNot(error) : undefined
    if (why === undefined) throw error
    const place = formatHostPort(host, options.port)
    throw new CannotRun(
      `the edge cannot listen on ${place}: ${why[0]}`,
      `${why[1]}, or give another place with --edge HOST:PORT.`,
    )
  }
}

/** What workerd says of a place that it cannot have, and what would help. */
function whyNot({ code, message }: NodeJS.ErrnoException): readonly [cause: string, mend: string] | undefined {
  if (code === 'ERR_ADDRESS_IN_USE') return ['the port is in use', 'End what holds the port']
  const said = /bind\(\): ([^(\n]+) \(os error/.exec(message)?.[1]
  if (said === 'Permission denied') return ['this user may not open the port', 'Take a port from 1024 on']
  if (code === 'EADDRNOTAVAIL' || said === 'Cannot assign requested address') {
    return ['it is not an address of this machine', 'Take one that `ip address` shows']
  }
  return undefined
}

/**
 * The Worker as one ES module, with the edge part of `config` in it.
 *
 * @param minify as small as it gets: what counts against Cloudflare's script limit
 */
export async function bundleEdge(config: Config, options: { readonly minify?: boolean } = {}): Promise<string> {
  const part = JSON.stringify(packConfig(partFor(config, 'workers')))
  const result = await build({
    entryPoints: [fileURLToPath(new URL('../workers/main.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    mainFields: ['browser', 'module', 'main'],
    external: ['node:*', 'cloudflare:*'],
    minify: options.minify ?? false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'fourseven:config',
        setup(bundler) {
          bundler.onResolve({ filter: /^fourseven:config$/ }, ({ path }) => ({ path, namespace: 'fourseven' }))
          bundler.onLoad({ filter: /.*/, namespace: 'fourseven' }, () => ({ contents: part, loader: 'json' }))
        },
      },
    ],
  })
  return result.outputFiles[0]!.text
}

/** Another Worker as one ES module. Throws CannotRun when its file cannot be bundled. */
export async function bundleWorker(file: string): Promise<string> {
  try {
    const result = await build({
      entryPoints: [file],
      bundle: true,
      write: false,
      format: 'esm',
      target: 'es2024',
      external: ['node:*', 'cloudflare:*'],
      logLevel: 'silent',
    })
    return result.outputFiles[0]!.text
  } catch (error) {
    const cause = error instanceof Error ? error.message.split('\n').at(-1) : String(error)
    throw new CannotRun(`the Worker ${file} cannot be bundled: ${cause}`, 'Name a file that exports a Worker.')
  }
}

async function runtimeOptions(options: EdgeOptions): Promise<MiniflareOptions> {
  const { config, host, port, onRecord } = options
  const { date } = await readCompatibility()
  const services = Object.entries(options.services ?? {})
  return {
    host,
    port,
    // Offline and quiet: no request for a sample of `request.cf`, no usage report, no line of its own per request.
    cf: false,
    telemetry: { enabled: false },
    logRequests: false,
    log: new Log(LogLevel.WARN),
    handleStructuredLogs: ({ level, message }) => {
      if (level !== 'log' || !message.startsWith('{"time":')) process.stderr.write(`edge ${level}: ${message}\n`)
      else onRecord?.(JSON.parse(message))
    },
    workers: [
      edgeWorker(WORKER, await bundleEdge(config), await readCompatibility(), {
        ...bindingsFor(config, options.variables),
        ...Object.fromEntries(services.map(([name]) => [name, { type: 'worker', worker: workerName(name) }] as const)),
      }),
      ...services.map(([name, contents]) => ({
        config: {
          name: workerName(name),
          compatibilityDate: date,
          manifest: { mainModule: 'main.js', modules: { 'main.js': { type: 'esm' as const, contents } } },
        },
      })),
    ],
  }
}

/**
 * The Worker as Miniflare wants it, with the control object that stands in wrangler.toml too.
 *
 * @param contents of `bundleEdge`
 * @param env bindings in Miniflare's words; they may name another control object
 */
export function edgeWorker(
  name: string,
  contents: string,
  { date, flags }: Compatibility,
  env: Readonly<Record<string, EdgeBinding>>,
) {
  return {
    config: {
      name,
      compatibilityDate: date,
      compatibilityFlags: [...flags],
      manifest: { mainModule: 'main.js', modules: { 'main.js': { type: 'esm' as const, contents } } },
      exports: {
        Control: { type: 'durable-object' as const, storage: 'sqlite' as const },
        Probes: { type: 'durable-object' as const, storage: 'sqlite' as const },
      },
      env: {
        FOURSEVEN_CONTROL: { type: 'durable-object' as const, worker: name, exportName: 'Control' },
        FOURSEVEN_PROBES: { type: 'durable-object' as const, worker: name, exportName: 'Probes' },
        ...env,
      },
    },
  }
}

export type EdgeBinding =
  | { readonly type: 'text'; readonly value: string }
  | { readonly type: 'worker'; readonly worker: string }
  | { readonly type: 'durable-object'; readonly worker: string; readonly exportName: string }

export interface Compatibility {
  readonly date: string
  readonly flags: readonly string[]
}

/** Beside a Worker that is called `fourseven`. */
function workerName(binding: string): string {
  return `bound-${binding}`
}

/** wrangler.toml is where they are written: what runs here is what is deployed. */
export async function readCompatibility(): Promise<Compatibility> {
  const toml = parseToml(await readFile(new URL('../wrangler.toml', import.meta.url), 'utf8'))
  return { date: toml['compatibility_date'] as string, flags: toml['compatibility_flags'] as string[] }
}

/** What the Worker is told: the variables its pools name and its own secrets, not all of this shell's environment. */
function bindingsFor(config: Config, variables: Variables): Record<string, { type: 'text'; value: string }> {
  const addresses = partFor(config, 'workers').pools.flatMap(pool => pool.endpoints.map(endpoint => endpoint.address))
  const named = addresses.flatMap(address => [...address.matchAll(/\$\{([A-Za-z_]\w*)/g)].map(match => match[1]!))
  const bindings: Record<string, { type: 'text'; value: string }> = {}
  for (const name of [...SECRETS, ...named]) {
    const value = variables[name]
    if (value !== undefined) bindings[name] = { type: 'text', value }
  }
  return bindings
}

/** As wrangler.toml calls it. */
const WORKER = 'fourseven'
const SECRETS = ['FOURSEVEN_COOKIE_KEY', 'FOURSEVEN_OPERATOR_TOKEN']
