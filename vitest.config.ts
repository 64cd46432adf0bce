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
    // Some hold real servers and clocks to each other on a machine that others share and that may stand still for a second.
    // Where nobody watches, one that failed has a second turn, and is named at the end. Whoever works on it has it fail at once.
    retry: process.env['CI'] === undefined ? 0 : 1,
  },
})
