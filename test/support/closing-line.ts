// A vitest reporter that closes with one plain line of counts. Where CI is set a skipped test fails the run: there the
// machine has everything the tests need. A test that passed in its second turn only is named: it has a fault to be found.

import type { Reporter, TestModule } from 'vitest/node'

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        counts[state] += 1
        if (test.diagnostic()?.flaky === true) console.log(`passed in its second turn only: ${test.fullName}`)
        if (state === 'skipped') console.log(`skipped: ${test.fullName}${noteOf(test.result())}`)
      }
    }
    if (process.env['CI'] !== undefined && counts.skipped > 0) process.exitCode = 1
    const { passed, failed, skipped } = counts
    console.log(`\ntests: ${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  }
}

function noteOf(result: { readonly note?: string | undefined } | object): string {
  return 'note' in result && typeof result.note === 'string' ? ` (${result.note})` : ''
}
