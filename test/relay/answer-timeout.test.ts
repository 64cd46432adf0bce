// An endpoint is not called silent because this program was busy.

import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { startAnswerTimeout } from '../../relay/answer-timeout.ts'

test('an answer that came while the program was busy is heard, though the timer is long over', async () => {
  const port = await listen(createServer(socket => socket.end('hello')))
  const socket = connect(port, '127.0.0.1')
  const said = new Promise(resolve => {
    const heard = startAnswerTimeout(100, () => resolve('silent'))
    socket.once('data', bytes => {
      heard()
      resolve(bytes.toString())
    })
  })
  // The server is in this very program, so both turns of the talk have to wait.
  beBusy(400)
  expect(await said).toBe('hello')
})

test('one that says nothing is silent, and an end in time is no silence', async () => {
  const silent: string[] = []
  startAnswerTimeout(10, () => silent.push('first'))
  const heard = startAnswerTimeout(10, () => silent.push('second'))
  heard()
  while (silent.length === 0) await new Promise(later => setTimeout(later, 10))
  await new Promise(later => setTimeout(later, 50))
  expect(silent).toEqual(['first'])
})

async function listen(server: Server): Promise<number> {
  onTestFinished(() => void server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as { port: number }).port
}

function beBusy(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
