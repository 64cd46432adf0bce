// All tests in one run, under Node: the Worker's tests drive it in real workerd from outside.

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'node',
    include: ['test/**/*.test.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: more workers only make the tests with real servers wait for each other.
    maxWorkers: 2,
  },
})
