// docs/operating.md shows what the command really says: everything on it is run here, in its order, against its config.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { askHttp } from '../../cli/ask.ts'
import { blockAfter, read, words } from '../support/pages.ts'
import { folderWith, fourseven, startFourseven } from './command.ts'

const page = read('docs/operating.md')

test('docs/operating.md shows what the command says', async () => {
  const server = createServer((_, response) => response.end('x'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const cwd = folderWith({ 'routes.yaml': blockAfter(page, 'config') })
  const env = { FOURSEVEN_OPERATOR_TOKEN: 'the-token-of-this-test' }
  const variables = ['A', 'B', 'C'].flatMap(name => ['--var', `${name}=${at}/${name}`])
  const dev = startFourseven(['dev', 'routes.yaml', '--edge', '127.0.0.1:0', '--quiet', '--json', ...variables], {
    cwd,
    env,
  })
  onTestFinished(async () => {
    dev.child.kill('SIGTERM')
    await dev.ended
  })
  const edge: string = JSON.parse(await dev.line(line => line.includes('listening'))).listening[0].address
  const { hostname, port } = new URL(edge)
  for (let user = 0; user < 100; user++) {
    const question = { host: 'app.test', path: '/', headers: { cookie: `fs_id=visitor-${user}` } }
    await askHttp({ host: hostname, port: Number(port) }, question, AbortSignal.timeout(10_000))
  }
  // What isolates have counted is summed up in whole windows of 10 s.
  for (let counted = 0; counted < 100; ) {
    const said = await fourseven(['status', '--window', '10m', '--json', '--edge', edge], { env })
    const { routes } = JSON.parse(said.stdout).counted as { routes: readonly { requests: number }[] }
    counted = routes.reduce((sum, { requests }) => sum + requests, 0)
  }
  const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/g)]
  expect(blocks.length).toBe(5)
  for (const [, lines, shown] of blocks) {
    let said = ''
    for (const line of lines!.trim().split('\n')) {
      const { code, stdout, stderr } = await fourseven([...words(line).slice(2), '--edge', edge], { env })
      expect(code, `${line}\n${stderr}`).toBe(0)
      said += stdout
    }
    expect(settled(said, edge)).toBe(settled(shown!, edge))
  }
}, 120_000)

/** Times, and the port of this run, as they are on the page. */
function settled(text: string, edge: string): string {
  return (
    text
      .replaceAll(edge, 'http://127.0.0.1:8787')
      // How long an answer took is another matter each time, and so is how wide its column.
      .replace(/(\d+ ms|-) +│/g, 'N ms │')
      .replace(/[─]+/g, '─')
      .replace(/ +│/g, ' │')
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, '2026-11-23 09:30:00 UTC')
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, '2026-11-23T09:30:00Z')
  )
}
