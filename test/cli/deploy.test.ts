// `wrangler deploy` with the wrangler.toml of this deployment, up to where it would upload: what it refuses and what it ships.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { type Ended, repository } from './command.ts'

// Each starts wrangler, and wrangler npx.
vi.setConfig({ testTimeout: 90_000 })

const GOOD = `import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: { app: { endpoints: ['\${API}', '\${APP_CANARY}'] } },
  routes: [{ name: 'app', pool: 'app' }],
})
`

test('a good config is shipped, with the part of the edge in the bundle, in each environment', async () => {
  for (const environment of ['', 'staging']) {
    const { code, stdout, bundle } = await deploy(GOOD, environment)
    expect(stdout).toContain('0 errors')
    expect(code, stdout).toBe(0)
    expect(bundle).toContain('${APP_CANARY}')
  }
})

test('a bad config is refused, with every problem, and nothing is bundled', async () => {
  const bad = GOOD.replace("pool: 'app' }]", "pool: 'ap', timeouts: { try: '5 parsecs' } }]").replace(
    'export default',
    '// @ts-nocheck\nexport default',
  )
  const { code, stdout, stderr, bundle } = await deploy(bad, '')
  const said = stdout + stderr
  for (const part of ['routes.ts: not ok, 2 errors', 'routes[0].pool:', 'routes[0].timeouts.try:']) {
    expect(said).toContain(part)
  }
  expect(code).not.toBe(0)
  expect(bundle).toBeUndefined()
})

test('a config that names a variable which the environment does not have is refused', async () => {
  const { code, stdout, stderr, bundle } = await deploy(GOOD.replace('${API}', '${ELSEWHERE}'), 'staging')
  expect(stdout + stderr).toContain('the variable ELSEWHERE')
  expect(code).not.toBe(0)
  expect(bundle).toBeUndefined()
})

/** A dry run in a folder of its own inside the clone, where `fourseven` is found; `bundle` when one was made. */
async function deploy(routes: string, environment: string): Promise<Ended & { readonly bundle: string | undefined }> {
  mkdirSync(join(repository, 'dist'), { recursive: true })
  const folder = mkdtempSync(join(repository, 'dist', 'deploy-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const toml = readFileSync(join(repository, 'wrangler.toml'), 'utf8')
  expect(toml).toContain('fourseven check shared/routes.ts')
  writeFileSync(
    join(folder, 'wrangler.toml'),
    toml
      .replaceAll('workers/main.ts', '../../workers/main.ts')
      .replaceAll('shared/routes.ts', 'routes.ts')
      .replaceAll('dist/edge/config.json', 'config.json')
      .replaceAll('watch_dir = "shared"\n', ''),
  )
  writeFileSync(join(folder, 'routes.ts'), routes)
  const ended = await run(['deploy', '--dry-run', '--env', environment, '--outdir', 'bundle'], folder)
  const out = join(folder, 'bundle')
  const file = existsSync(out) ? readdirSync(out).find(name => name.endsWith('.js')) : undefined
  return { ...ended, bundle: file === undefined ? undefined : readFileSync(join(out, file), 'utf8') }
}

function run(args: readonly string[], cwd: string): Promise<Ended> {
  const { WRANGLER_COMMAND: _, CLOUDFLARE_ENV: __, ...inherited } = process.env
  const env = { ...inherited, NO_COLOR: '1', WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false' }
  const entry = join(repository, 'node_modules/wrangler/bin/wrangler.js')
  const child = spawn(process.execPath, [entry, ...args], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  return new Promise(resolve => child.on('close', code => resolve({ code, stdout, stderr })))
}
