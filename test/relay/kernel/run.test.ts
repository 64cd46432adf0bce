// Programs and packets of the relay where the process has no file descriptor left, in a process of their own.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const room = (name: string) => new URL(`../../../relay/kernel/${name}.ts`, import.meta.url).href

test('with no file descriptor left nothing is run and nobody is poked, and the relay goes on', async () => {
  const script = `
    import { openSync } from 'node:fs'
    import { poke } from '${room('ground')}'
    import { run } from '${room('run')}'
    try { for (;;) openSync('/dev/null', 'r') } catch {}
    const { code, stderr, isMissing } = await run('true', [])
    await poke(['127.0.0.1'])
    console.log(JSON.stringify({ code, stderr, isMissing }))
  `
  const few = 'ulimit -n 128 && exec "$0" --input-type=module --eval "$1"'
  const { stdout } = await promisify(execFile)('sh', ['-c', few, process.execPath, script], { timeout: 60_000 })
  expect(JSON.parse(stdout)).toEqual({ code: -1, stderr: expect.stringContaining('EMFILE'), isMissing: false })
}, 90_000)
