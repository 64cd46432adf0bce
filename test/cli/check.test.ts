import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unpackConfig } from '../../shared/config/packed.ts'
import { folderWith, fourseven } from './command.ts'

const GOOD_YAML = `listeners:
  web: { kind: edge }
pools:
  app:
    endpoints:
      - https://app.example.com
routes:
  - name: app
    pool: app
`
const BAD_YAML = `listeners:
  web: { kind: edge }
pools:
  app:
    endpoints:
      - https://app.example.com
routes:
  - name: first
    pool: ap
  - name: second
    pol: app
    pool: app
`
/** The rule behind it is never reached: a warning and no error. */
const SHADOWED_YAML = `${GOOD_YAML}  - name: never
    pool: app
`

test('what only the tables show is told of both planes, each with its line', async () => {
  const yaml = `listeners: { web: { kind: edge }, db: { kind: tcp, address: '127.0.0.1:7000' } }
pools: { app: { endpoints: ['https://app.example.com'] }, db: { endpoints: ['tcp://db.example.com:5432'] } }
routes:
  - { name: loop, match: { path: /sub }, redirect: { prefix: /sub/x } }
  - name: split
    variants:
      - { name: most, weight: 999999, pool: app }
      - { name: none, weight: 1, pool: app }
  - { name: office, listener: db, match: { address: 10.0.0.0/8 }, pool: db }
  - { name: again, listener: db, match: { address: 10.0.0.0/8 }, pool: db }
`
  const { code, stdout } = await fourseven(['check', 'a.yaml'], { cwd: folderWith({ 'a.yaml': yaml }) })
  expect(stdout).toMatch(/a\.yaml:4 routes\[0\]\.redirect: the redirect of loop\/\S+ comes back to it for ever/)
  expect(stdout).toMatch(/a\.yaml:8 routes\[1\]\.variants\[1\]\.weight: the variant none gets nobody/)
  expect(stdout).toMatch(/a\.yaml:10 routes\[3\]: the rule again\/\S+ is shadowed: office\/\S+ takes every connection/)
  expect(stdout).toContain('0 errors, 3 warnings')
  expect(code).toBe(0)
})

describe('a good config', () => {
  test('is ok, whichever way it is written', async () => {
    const json = JSON.stringify({
      listeners: { web: { kind: 'edge' } },
      pools: { app: { endpoints: ['https://app.example.com'] } },
      routes: [{ name: 'app', pool: 'app' }],
    })
    const cwd = folderWith({
      'a.yaml': GOOD_YAML,
      'b.yml': GOOD_YAML,
      'c.json': json,
      'd.mjs': `export default ${json}`,
    })
    for (const file of ['a.yaml', 'b.yml', 'c.json', 'd.mjs']) {
      const { code, stdout } = await fourseven(['check', file], { cwd })
      expect(stdout).toContain(`${file}: ok, 0 errors, 0 warnings (1 listener, 1 route, 1 rule, 1 pool)`)
      expect(code).toBe(0)
    }
  })

  test('may import defineConfig from the package', async () => {
    const { code, stdout } = await fourseven(['check', 'test/cli/configs/good.ts'])
    expect(stdout).toContain('test/cli/configs/good.ts: ok')
    expect(code).toBe(0)
  })

  test('of this deployment is what is checked by default, with the vars of wrangler.toml', async () => {
    const { code, stdout } = await fourseven(['check', '--strict'])
    expect(stdout).toContain('shared/routes.ts: ok, 0 errors, 0 warnings')
    expect(code).toBe(0)
  })
})

describe('a bad config', () => {
  test('gets every problem at once, with file, line and mend, and exit code 1', async () => {
    const cwd = folderWith({ 'routes.yaml': BAD_YAML })
    const { code, stdout } = await fourseven(['check', 'routes.yaml'], { cwd })
    expect(stdout).toMatch(/error {3}routes\.yaml:9 routes\[0\]\.pool: .*"ap"/)
    expect(stdout).toMatch(/error {3}routes\.yaml:11 routes\[1\]\.pol: /)
    expect(stdout.match(/mend: /g)).toHaveLength(2)
    expect(stdout).toContain('routes.yaml: not ok, 2 errors, 0 warnings')
    expect(code).toBe(1)
  })

  test('is the same as JSON lines for scripts', async () => {
    const cwd = folderWith({ 'routes.yaml': BAD_YAML })
    const { code, stdout } = await fourseven(['check', 'routes.yaml', '--json'], { cwd })
    const said = JSON.parse(stdout)
    expect(said).toMatchObject({ file: 'routes.yaml', ok: false, errors: 2, warnings: 0 })
    expect(said.problems[0]).toMatchObject({ severity: 'error', path: 'routes[0].pool', line: 9 })
    expect(code).toBe(1)
  })

  test('emits nothing, and leaves what was emitted before', async () => {
    const cwd = folderWith({ 'good.yaml': GOOD_YAML, 'bad.yaml': BAD_YAML })
    await fourseven(['check', 'good.yaml', '--emit', 'good.json'], { cwd })
    const before = readFileSync(join(cwd, 'good.json'), 'utf8')
    await fourseven(['check', 'bad.yaml', '--emit', 'good.json'], { cwd })
    await fourseven(['check', 'bad.yaml', '--emit', 'bad.json'], { cwd })
    expect(readFileSync(join(cwd, 'good.json'), 'utf8')).toBe(before)
    expect(existsSync(join(cwd, 'bad.json'))).toBe(false)
  })
})

describe('a file that cannot be brought in', () => {
  const cases: readonly (readonly [name: string, text: string, says: RegExp])[] = [
    ['syntax.ts', 'export default {\n  a: [,\n}\n', /syntax\.ts:\d+: .*\n {8}mend: Mend the syntax/],
    ['syntax.mjs', 'export default {\n  a: [1\n}\n', /syntax\.mjs:3: Unexpected token/],
    ['enum.ts', 'enum Kind { edge }\nexport default Kind\n', /enum\.ts:1: .*strip-only.*\n {8}mend: .*no enums/],
    ['throws.ts', 'const port = 1\nthrow new Error(`no port ${port}`)\n', /throws\.ts:2: it throws Error: no port 1/],
    ['package.ts', "import 'no-such-package'\nexport default {}\n", /Cannot find package 'no-such-package'/],
    ['nothing.ts', 'export const config = {}\n', /nothing\.ts: the file exports no config\n {8}mend: .*export default/],
    ['broken.yaml', 'listeners: {\n  web: { kind: edge }\n', /broken\.yaml:\d+: /],
    ['broken.json', '{\n  "listeners": {},\n  "pools" {}\n}\n', /broken\.json:3: /],
    ['routes.toml', 'listeners = 1\n', /routes\.toml: "\.toml"/],
  ]
  test.each(cases)('%s: says where, why and how to mend it', async (name, text, says) => {
    const { code, stdout } = await fourseven(['check', name], { cwd: folderWith({ [name]: text }) })
    expect(stdout).toMatch(says)
    expect(stdout).toContain('not ok, 1 error, 0 warnings')
    expect(code).toBe(1)
  })

  test('is missing: the name is said', async () => {
    const { code, stdout } = await fourseven(['check', 'nowhere.ts'], { cwd: folderWith({}) })
    expect(stdout).toMatch(/nowhere\.ts: there is no such file/)
    expect(code).toBe(1)
  })
})

describe('warnings', () => {
  test('pass, and fail with --strict', async () => {
    const cwd = folderWith({ 'routes.yaml': SHADOWED_YAML })
    const plain = await fourseven(['check'], { cwd })
    expect(plain.stdout).toMatch(/warning routes\.yaml:\d+ routes\[1\].*shadowed/)
    expect(plain.code).toBe(0)
    const strict = await fourseven(['check', '--strict'], { cwd })
    expect(strict.stdout).toContain('not ok, 0 errors, 1 warning')
    expect(strict.code).toBe(1)
  })
})

describe('variables', () => {
  const yaml = GOOD_YAML.replace('https://app.example.com', '${APP}')

  test('unset ones are errors; --var, the environment and wrangler.toml set them', async () => {
    const cwd = folderWith({ 'routes.yaml': yaml })
    const unset = await fourseven(['check'], { cwd })
    expect(unset.stdout).toMatch(/error {3}routes\.yaml:6 .*APP.* is not set/)
    expect(unset.code).toBe(1)
    expect((await fourseven(['check', '--var', 'APP=https://a.example.com'], { cwd })).code).toBe(0)
    expect((await fourseven(['check'], { cwd, env: { APP: 'https://a.example.com' } })).code).toBe(0)
    const wrangler = folderWith({ 'routes.yaml': yaml, 'wrangler.toml': '[vars]\nAPP = "https://a.example.com"\n' })
    expect((await fourseven(['check'], { cwd: wrangler })).code).toBe(0)
  })

  test('a deploy knows the vars of its own environment and not those of this machine', async () => {
    const toml = '[vars]\nAPP = "https://a.example.com"\n[env.staging.vars]\nOTHER = "x"\n'
    const cwd = folderWith({ 'routes.yaml': yaml, 'wrangler.toml': toml })
    const env = { APP: 'https://a.example.com', WRANGLER_COMMAND: 'deploy' }
    expect((await fourseven(['check'], { cwd, env })).code).toBe(0)
    const staging = await fourseven(['check', '--env', 'staging'], { cwd, env })
    expect(staging.stdout).toMatch(/APP.* is not set/)
    expect(staging.code).toBe(1)
  })

  test('a deploy of the edge does not need what only the relay knows', async () => {
    const both = `${GOOD_YAML}  - { name: db, listener: db, pool: db }\n`
      .replace('pools:', '  db: { kind: tcp, address: "127.0.0.1:5432" }\npools:')
      .replace('routes:', "  db: { endpoints: ['${DB}'] }\nroutes:")
    const cwd = folderWith({ 'routes.yaml': both, 'wrangler.toml': '[vars]\n' })
    const here = await fourseven(['check'], { cwd })
    expect(here.stdout).toMatch(/error {3}routes\.yaml:\d+ pools\.db\.endpoints\[0\]: .*DB.* is not set/)
    expect(here.code).toBe(1)
    const deploy = await fourseven(['check', '--emit', 'edge.json'], { cwd, env: { WRANGLER_COMMAND: 'deploy' } })
    expect(deploy.stdout).toContain('routes.yaml: ok, 0 errors, 0 warnings')
    expect(deploy.code).toBe(0)
  })

  test('under wrangler dev .dev.vars comes before the vars of wrangler.toml', async () => {
    const toml = '[vars]\nAPP = "not an address"\n'
    const cwd = folderWith({ 'routes.yaml': yaml, 'wrangler.toml': toml, '.dev.vars': 'APP="http://127.0.0.1:9101"\n' })
    expect((await fourseven(['check'], { cwd, env: { WRANGLER_COMMAND: 'dev' } })).code).toBe(0)
    expect((await fourseven(['check'], { cwd })).code).toBe(1)
  })

  test('an environment that wrangler.toml does not have cannot be checked', async () => {
    const cwd = folderWith({ 'routes.yaml': yaml, 'wrangler.toml': '[vars]\n' })
    const { code, stderr } = await fourseven(['check', '--env', 'production'], { cwd })
    expect(stderr).toContain('has no environment "production"')
    expect(code).toBe(3)
  })
})

describe('a service binding', () => {
  const yaml = GOOD_YAML.replace('https://app.example.com', 'binding:SHOP')
  const toml = `services = [{ binding = "SHOP", service = "shop" }]
[env.staging]
services = [{ binding = "OTHER", service = "other" }]
[env.assets.assets]
binding = "SHOP"
directory = "public"
`

  test('is warned of where wrangler.toml does not bind it', async () => {
    const cwd = folderWith({ 'routes.yaml': yaml, 'wrangler.toml': toml })
    expect((await fourseven(['check', '--strict'], { cwd })).code).toBe(0)
    expect((await fourseven(['check', '--strict', '--env', 'assets'], { cwd })).code).toBe(0)
    const staging = await fourseven(['check', '--env', 'staging', '--json'], { cwd })
    expect(JSON.parse(staging.stdout)).toMatchObject({
      ok: true,
      problems: [{ severity: 'warning', code: 'not-bound', path: 'pools.app.endpoints[0]' }],
    })
  })

  test('is taken as it is where there is no wrangler.toml', async () => {
    const cwd = folderWith({ 'routes.yaml': yaml })
    expect((await fourseven(['check', '--strict'], { cwd })).code).toBe(0)
  })
})

describe('endpoints on this machine', () => {
  const cwd = () => folderWith({ 'routes.yaml': GOOD_YAML.replace('https://app.example.com', 'http://127.0.0.1:9101') })

  test('are refused for the edge, and fine with --local and under wrangler dev', async () => {
    const folder = cwd()
    const { code, stdout } = await fourseven(['check'], { cwd: folder })
    expect(stdout).toMatch(/error {3}routes\.yaml:6 pools\.app\.endpoints\[0\]: .*loopback/)
    expect(code).toBe(1)
    expect((await fourseven(['check', '--local'], { cwd: folder })).code).toBe(0)
    expect((await fourseven(['check'], { cwd: folder, env: { WRANGLER_COMMAND: 'dev' } })).code).toBe(0)
    expect((await fourseven(['check'], { cwd: folder, env: { WRANGLER_COMMAND: 'deploy' } })).code).toBe(1)
  })

  test('of the shipped routes are refused when wrangler.toml gives no addresses', async () => {
    const { code, stdout } = await fourseven(['check', '--var', 'API=', '--json'])
    expect(JSON.parse(stdout).problems).toMatchObject([{ code: 'loopback-endpoint', path: 'pools.api.endpoints[0]' }])
    expect(code).toBe(1)
  })
})

test('--emit writes the part of the edge, and nothing that only the relay knows', async () => {
  const yaml = `${GOOD_YAML}  - name: db
    listener: db
    pool: db
`
    .replace('pools:', '  db: { kind: tcp, address: "127.0.0.1:5432" }\npools:')
    .replace('routes:', '  db: { endpoints: ["tcp://db.internal:5432"] }\nroutes:')
  const cwd = folderWith({ 'routes.yaml': yaml })
  const { code } = await fourseven(['check', '--emit', 'out/edge/config.json'], { cwd })
  expect(code).toBe(0)
  const emitted = readFileSync(join(cwd, 'out/edge/config.json'), 'utf8')
  expect(unpackConfig(JSON.parse(emitted))).toMatchObject({ listeners: [{ name: 'web' }], pools: [{ name: 'app' }] })
  expect(emitted).not.toContain('db.internal')
})

describe('usage', () => {
  test('what makes no sense ends with 2', async () => {
    for (const args of [['chek'], ['check', '--strickt'], ['check', '--var', 'APP'], ['explain'], ['explain', 'tcp']]) {
      const { code, stderr } = await fourseven(args)
      expect(stderr, args.join(' ')).toMatch(/error:/)
      expect(code, args.join(' ')).toBe(2)
    }
  })

  test('every subcommand has help with examples and exit codes', async () => {
    for (const name of ['check', 'explain', 'dev', 'demo']) {
      const { code, stdout } = await fourseven([name, '--help'])
      expect(stdout, name).toMatch(/Examples:\n {2}fourseven /)
      expect(stdout, name).toContain('Exit codes:')
      expect(code, name).toBe(0)
    }
  })
})
