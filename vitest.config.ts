// All tests in one run: the core, the relay and the command in Node; the Worker inside workerd.

import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/workers/**'],
          testTimeout: 30_000,
        },
      },
    ],
  },
})
void cloudflareTest
