// `npm run build`: what is published. Bundles the command, the relay and `defineConfig` to dist/ (Node runs no TypeScript
// under node_modules) and writes the JSON Schema of config files. Packages stay imports.

import { chmod, glob, mkdir, rm, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { configJsonSchema } from '../shared/config/json-schema.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = new URL('../dist/', import.meta.url)

await mkdir(dist, { recursive: true })
// Chunks have hashes in their names: those of an earlier build would stay.
for await (const old of glob('*.js', { cwd: fileURLToPath(dist) })) await rm(new URL(old, dist))
await build({
  absWorkingDir: root,
  entryPoints: {
    fourseven: 'cli/fourseven.js',
    define: 'cli/define.ts',
    relay: 'relay/relay.ts',
    // A thread of the relay begins with a file of its own.
    thread: 'relay/thread.ts',
    'relay-config-apart': 'cli/relay-config-apart.ts',
  },
  // One level below the root, like the sources: they find workers/, shared/ and wrangler.toml beside their own folder.
  outdir: 'dist',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  packages: 'external',
  logLevel: 'warning',
})
await chmod(new URL('fourseven.js', dist), 0o755)
await writeFile(new URL('fourseven.schema.json', dist), `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
console.log('dist/: fourseven.js, relay.js, thread.js, relay-config-apart.js, define.js, fourseven.schema.json')
