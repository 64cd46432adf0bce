// What an unknown key was meant to be, said so that the config can be mended at once.

import { expect, test } from 'vitest'
import { parse } from '../../../shared/config/parse.ts'
import type { ConfigError } from '../../../shared/config/problem.ts'

test.each([
  [{ hostname: ['a.test'] }, 'Did you mean "hostnames"?'],
  [{ host: 'a.test' }, 'Did you mean "hostnames"?'],
  [{ hosts: ['a.test'] }, 'Did you mean "hostnames"?'],
  [{ match: { host: 'a.test' } }, 'Write "hostnames" beside "match", not in it.'],
  [{ timeouts: { retry: {} } }, 'Write "retry" beside "timeouts", not in it.'],
  [{ retry: { timeout: '1s' } }, 'Write "timeouts" beside "retry", not in it.'],
  [{ backend: 'app' }, 'The keys are "name", "listener", "hostnames", "rules", '],
])('%j: %s', (fields, mend) => {
  expect(mendOf(fields)).toContain(mend)
})

function mendOf(fields: object): string | undefined {
  try {
    parse({
      listeners: { web: { kind: 'edge' } },
      pools: { app: { endpoints: ['https://app.example.com'] } },
      routes: [{ name: 'app', pool: 'app', ...fields }],
    } as never)
  } catch (error) {
    return (error as ConfigError).problems.find(({ code }) => code === 'unknown-key')?.mend
  }
  return undefined
}
