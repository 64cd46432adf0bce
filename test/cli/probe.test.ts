import { createServer, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Answered, judgeProxy, questions } from '../../cli/proxy-verdict.ts'
import { needs } from '../support/needs.ts'
import { freePort, haproxy, nginx, nginxStream, redis } from '../support/servers.ts'
import { fourseven } from './command.ts'

describe('the verdict', () => {
  const header = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n')
  const served = answered('HTTP/1.1 200 OK')
  const refused = answered('HTTP/1.1 400 Bad Request')
  const silent = answered('', 'open')
  const closed = answered('', 'closed')

  test.each([
    ['serves behind the header only', 'http', closed, served, closed, 'requires', 'certain'],
    ['serves with and without, not behind a broken one', 'http', served, served, closed, 'accepts', 'likely'],
    ['serves in every case', 'http', served, served, served, 'ignores', 'likely'],
    ['complains of the header', 'http', served, refused, refused, 'payload', 'certain'],
    ['closes on the header', 'http', served, closed, closed, 'payload', 'likely'],
    ['sends the header back', 'greeting', silent, answered(`${header}`), silent, 'payload', 'certain'],
    ['greets behind the header only', 'greeting', silent, answered('220 ready'), closed, 'requires', 'certain'],
    ['greets with and without', 'greeting', answered('220'), answered('220'), answered('220'), 'unknown', 'no'],
    [
      'greets, then complains',
      'greeting',
      answered('220'),
      answered('220 500 what?'),
      answered('220'),
      'payload',
      'likely',
    ],
    [
      'greets, then closes',
      'greeting',
      answered('220'),
      answered('220', 'closed'),
      answered('220'),
      'payload',
      'likely',
    ],
    ['serves behind good and broken, not without', 'http', closed, served, served, 'unknown', 'no'],
  ] as const)('of one that %s', (_, name, plain, behind, broken, does, sure) => {
    expect(judge(name, plain, behind, broken)).toMatchObject({ does, sure })
  })

  test.each([
    ['nobody answers', 'http', silent, closed, closed],
    ['it complains in every case', 'http', refused, refused, refused],
    ['it is silent and complains of headers', 'greeting', silent, answered('400'), answered('400')],
  ] as const)('is left to the next question when %s', (_, name, plain, behind, broken) => {
    expect(judge(name, plain, behind, broken)).toBeUndefined()
  })

  function judge(name: string, plain: Answered, behind: Answered, broken: Answered) {
    return judgeProxy(questions.find(question => question.name === name)!, header, { plain, header: behind, broken })
  }
})

describe('of real endpoints', () => {
  needs('haproxy')('HAProxy with accept-proxy reads both versions and serves nobody without', async () => {
    const port = await freePort()
    await haproxy(
      port,
      `frontend f\n  mode http\n  bind 127.0.0.1:${port} accept-proxy\n  http-request return status 200`,
    )
    expect(await probe(port)).toEqual([
      [1, 'requires', 'certain', 'http'],
      [2, 'requires', 'certain', 'http'],
    ])
  })

  needs('haproxy')('HAProxy without it takes them as payload', async () => {
    const port = await freePort()
    await haproxy(port, `frontend f\n  mode http\n  bind 127.0.0.1:${port}\n  http-request return status 200`)
    expect(await probe(port)).toEqual([
      [1, 'payload', 'certain', 'http'],
      [2, 'payload', 'certain', 'http'],
    ])
  })

  needs('nginx', nginxStream)('nginx that speaks first behind the header', async () => {
    const port = await freePort()
    await nginx(port, 'stream', `server { listen 127.0.0.1:${port} proxy_protocol; return hello; }`)
    expect(await probe(port)).toEqual([
      [1, 'requires', 'certain', 'greeting'],
      [2, 'requires', 'certain', 'greeting'],
    ])
  })

  needs('redis-server')('Redis takes a line for a command', async () => {
    const port = await freePort()
    await redis(port)
    expect((await probe(port))[0]).toEqual([1, 'payload', 'certain', 'redis'])
  })

  test('an echo gives it away at once', async () => {
    const port = await serve(socket => socket.pipe(socket))
    expect(await probe(port)).toEqual([
      [1, 'payload', 'certain', 'greeting'],
      [2, 'payload', 'certain', 'greeting'],
    ])
  })
})

test('what cannot be told is said, with exit code 1', async () => {
  const port = await serve(socket => socket.write('SSH-2.0-test\r\n'))
  const { code, stdout } = await fourseven(['probe', 'proxy', `127.0.0.1:${port}`, '--timeout', '200ms'])
  expect(stdout).toContain('cannot be told')
  expect(stdout).toContain('it speaks first, with the header and without, and says no more')
  expect(code).toBe(1)
})

test('nobody there is exit code 3, a slip of the command line exit code 2', async () => {
  const there = await fourseven(['probe', 'proxy', `127.0.0.1:${await freePort()}`])
  expect(there).toMatchObject({ code: 3, stderr: expect.stringContaining('ECONNREFUSED') })
  for (const args of [
    ['proxy'],
    ['tcp', '127.0.0.1:1'],
    ['proxy', 'nowhere'],
    ['proxy', '127.0.0.1:1', '--timeout', '9'],
  ]) {
    expect((await fourseven(['probe', ...args])).code, args.join(' ')).toBe(2)
  }
})

function answered(text: string, end: Answered['end'] = 'open'): Answered {
  return { bytes: Buffer.from(text), end }
}

async function probe(port: number): Promise<unknown[][]> {
  const { code, stdout } = await fourseven(['probe', 'proxy', `127.0.0.1:${port}`, '--json'])
  expect(code).toBe(0)
  const { found } = JSON.parse(stdout) as { found: Record<string, unknown>[] }
  return found.map(({ version, does, sure, asked }) => [version, does, sure, asked])
}

async function serve(act: (socket: Socket) => void): Promise<number> {
  const server = createServer(socket => act(socket.on('error', () => {})))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as { port: number }).port
}
