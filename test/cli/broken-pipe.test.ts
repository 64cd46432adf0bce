// `fourseven … | head`: who reads the output may leave before its end.

import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { folderWith, startFourseven } from './command.ts'

test.each([[['--help']], [['explain', '--help']], [['explain', 'https://app.example.com/']]])(
  '%j ends well and without a word when nobody reads it',
  async args => {
    const { child, ended } = startFourseven(args)
    child.stdout!.destroy()
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  },
)

test('a relay whose records nobody reads any more goes on', async () => {
  const config = {
    listeners: { door: { kind: 'tcp', address: '127.0.0.1:0', deny: ['127.0.0.1'] } },
    pools: { app: { endpoints: ['tcp://127.0.0.1:9'] } },
    routes: [{ name: 'app', listener: 'door', pool: 'app' }],
  }
  const folder = folderWith({ 'routes.json': JSON.stringify(config) })
  const { child, ended, line } = startFourseven(['relay', `${folder}/routes.json`, '--json'])
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const { port } = JSON.parse(await line(text => JSON.parse(text).event === 'listening'))
  child.stdout!.destroy()
  // Each leaves a record, and is turned away by a relay that lives.
  for (let times = 0; times < 5; times++) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise(resolve => socket.once('close', resolve))
    expect((socket.errored as NodeJS.ErrnoException | null)?.code).toBe('ECONNRESET')
  }
  expect(child.exitCode).toBe(null)
})
