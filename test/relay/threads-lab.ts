// Crowds of clients for the tests of threads: who of them is served, and who is reset.

import { connect } from 'node:net'
import { onTestFinished } from 'vitest'

/** So many clients at once, each of which says a word and stays. Resolves when every one was answered or reset. */
export async function takePlaces(port: number, count: number, from = '127.0.0.1'): Promise<Record<string, number>> {
  const outcomes: Record<string, number> = {}
  await Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connect({ host: '127.0.0.1', port, localAddress: from })
      onTestFinished(() => void socket.destroy())
      const outcome = await new Promise<string>(resolve => {
        socket.once('data', () => resolve('served'))
        socket.once('error', () => resolve('reset'))
        socket.once('end', () => resolve('ended'))
        socket.write('x')
      })
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }),
  )
  return outcomes
}
