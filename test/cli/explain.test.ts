import { describe, expect, test } from 'vitest'
import { folderWith, fourseven } from './command.ts'

const HOSTED = ['--config', 'shared/routes.ts']

describe('explain URL', () => {
  test('says decision, candidates, split, pool, retry and header edits', async () => {
    const { code, stdout } = await fourseven(['explain', 'http://app.localhost/', '-b', 'canary=always', ...HOSTED])
    expect(stdout).toContain('forward to https://canary.app.example.com')
    expect(stdout).toContain('rule app/all, variant canary, pool canary')
    expect(stdout).toMatch(/app\/api .*does not hold .*path prefix: wants \/api, got \//)
    expect(stdout).toContain('force cookie canary "always": decided')
    expect(stdout).toMatch(/Pool canary \(balance round-robin\)/)
    expect(stdout).toContain('up to 2 tries')
    expect(stdout).toContain('to the client: remove x-powered-by')
    expect(code).toBe(0)
  })

  test('takes method, headers and client address as a client would send them', async () => {
    const args = ['explain', 'http://app.localhost/api/x', '-X', 'POST', '-H', 'Accept: a', '--client', '203.0.113.7']
    const { stdout } = await fourseven([...args, '--json', ...HOSTED])
    expect(JSON.parse(stdout)).toMatchObject({
      request: { method: 'POST', url: 'http://app.localhost/api/x', clientAddress: '203.0.113.7' },
      decision: { do: 'forward', rule: 'app/api-writes', pool: 'api' },
      decidedBy: { over: 'app/api' },
    })
  })

  test('gives the same answer for the same draw, and another one for some other draw', async () => {
    const variantOf = async (draw: number) => {
      const { stdout } = await fourseven([
        'explain',
        'http://app.localhost/',
        '--draw',
        String(draw),
        '--json',
        ...HOSTED,
      ])
      return JSON.parse(stdout).split.user.value as string
    }
    const [one, again, other] = await Promise.all([variantOf(7), variantOf(7), variantOf(8)])
    expect(again).toBe(one)
    expect(other).not.toBe(one)
  })

  test('tells redirects, replies, and requests that nobody routes', async () => {
    const redirect = await fourseven(['explain', 'http://app.localhost/docs/a?b=1', ...HOSTED])
    expect(redirect.stdout).toMatch(/redirect 301 to .*\/guide\/a\?b=1/)
    const reply = await fourseven(['explain', 'http://app.localhost/healthz', ...HOSTED])
    expect(reply.stdout).toContain('reply 200')
    const nobody = await fourseven(['explain', 'http://nobody.example.org/', ...HOSTED])
    expect(nobody.stdout).toContain('reply 404: destination_not_found')
    expect(nobody.code).toBe(0)
  })

  test('matches the country that is given', async () => {
    const yaml = `listeners: { web: { kind: edge } }
pools: {}
routes:
  - { name: german, match: { country: DE }, reply: { status: 200, body: hallo } }
  - { name: rest, reply: { status: 200, body: hello } }
`
    const cwd = folderWith({ 'routes.yaml': yaml })
    const ruleFor = async (country: string) => {
      const { stdout } = await fourseven(['explain', 'example.com/', '--country', country, '--json'], { cwd })
      return JSON.parse(stdout).decision.rule
    }
    expect(await ruleFor('DE')).toMatch(/^german\//)
    expect(await ruleFor('FR')).toMatch(/^rest\//)
  })

  test('of a bad config prints its problems and exits 1', async () => {
    const cwd = folderWith({ 'routes.yaml': 'listeners: {}\npools: {}\nroutes: [{ name: a, pool: b }]\n' })
    const { code, stderr } = await fourseven(['explain', 'http://app.localhost/'], { cwd })
    expect(stderr).toMatch(/error .*routes\[0\]/)
    expect(code).toBe(1)
  })
})

describe('explain tcp', () => {
  test('says which endpoint a connection gets', async () => {
    const { code, stdout } = await fourseven(['explain', 'tcp', '203.0.113.7:40000', '--listener', 'echo', ...HOSTED])
    expect(stdout).toContain('203.0.113.7:40000 to listener echo (127.0.0.1:7007)')
    expect(stdout).toContain('forward to tcp://127.0.0.1:9105')
    expect(code).toBe(0)
  })

  test('needs a listener that is there, and an address', async () => {
    const unknown = await fourseven(['explain', 'tcp', '203.0.113.7:40000', '--listener', 'db', ...HOSTED])
    expect(unknown.stderr).toContain('no tcp listener is named "db": there is echo')
    expect(unknown.code).toBe(2)
    const name = await fourseven(['explain', 'tcp', 'example.com:1', ...HOSTED])
    expect(name.stderr).toContain('"example.com:1" is not an address and port')
    expect(name.code).toBe(2)
  })
})
