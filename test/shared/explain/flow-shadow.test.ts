import { describe, expect, it } from 'vitest'
import type { ConfigInput } from '../../../shared/config/config.ts'
import type { TlsMatchInput } from '../../../shared/config/config-flow.ts'
import { flowShadowProblems } from '../../../shared/explain/flow-shadow.ts'
import { tableOf } from '../../support/table.ts'

const tcp = { kind: 'tcp', address: '127.0.0.1:7000' } as const
const tls = { kind: 'tls', address: '127.0.0.1:7001' } as const

function problemsOf(kind: 'tcp' | 'tls', ...matches: (TlsMatchInput | TlsMatchInput[])[]) {
  const config: ConfigInput = {
    listeners: { door: kind === 'tcp' ? tcp : tls },
    pools: { db: { endpoints: ['tcp://10.0.0.1:1'] } },
    routes: [{ name: 'r', listener: 'door', rules: matches.map(match => ({ match, pool: 'db' })) }],
  }
  return flowShadowProblems(tableOf(config))
}

describe('a rule that no connection can reach', () => {
  it('is the second of two with the same network', () => {
    expect(problemsOf('tcp', { address: '10.0.0.0/8' }, { address: '10.0.0.0/8' })).toEqual([
      {
        severity: 'warning',
        code: 'shadowed-rule',
        path: 'routes[0].rules[1]',
        message: 'the rule r/1 is shadowed: r/0 takes every connection it could; for one, a client at 10.0.0.0',
        mend: 'Make its match narrower than that of r/0, put it before that rule, or remove it.',
      },
    ])
  })

  it.each<[string, TlsMatchInput[]]>([
    ['a part of a list', [{ address: ['10.0.0.0/8', '11.0.0.0/8'] }, { address: ['11.0.0.0/8', '10.0.0.0/8'] }]],
    [
      'a name behind the same one',
      [
        { sni: 'a.test', alpn: ['h2', 'x'] },
        { sni: 'a.test', alpn: 'h2' },
      ],
    ],
    [
      'a wildcard behind the same one',
      [
        { sni: '*.a.test', alpn: ['h2', 'x'] },
        { sni: '*.a.test', alpn: 'x' },
      ],
    ],
  ])('%s', (_, matches) => {
    const codes = problemsOf('tls', ...matches).map(({ code, path }) => [code, path])
    expect(codes).toEqual([['shadowed-rule', 'routes[0].rules[1]']])
  })

  it('is told match by match when only one of its matches is', () => {
    const found = problemsOf('tcp', { address: '10.0.0.0/8' }, [{ address: '10.0.0.0/8' }, { address: '11.0.0.0/8' }])
    expect(found.map(({ code, path }) => [code, path])).toEqual([['shadowed-match', 'routes[0].rules[1].match[0]']])
  })

  it('is told with the name and the protocol that a client would ask for', () => {
    const [found] = problemsOf('tls', { sni: '*.a.test', alpn: ['h2', 'x'] }, { sni: '*.a.test', alpn: 'x' })
    expect(found!.message).toContain('a client at 203.0.113.1, asking for any-label.a.test, offering x')
  })
})

it.each<[string, 'tcp' | 'tls', TlsMatchInput[]]>([
  [
    'a narrower network behind a wider one: precedence sees to it',
    'tcp',
    [{ address: '10.0.0.0/8' }, { address: '10.1.0.0/16' }],
  ],
  ['a wider network behind a narrower one', 'tcp', [{ address: '10.1.0.0/16' }, { address: '10.0.0.0/8' }]],
  [
    'networks that overlap in part',
    'tcp',
    [{ address: ['10.0.0.0/8', '12.0.0.0/8'] }, { address: ['10.0.0.0/8', '11.0.0.0/8'] }],
  ],
  [
    'the same network under another name',
    'tls',
    [
      { sni: 'a.test', address: '10.0.0.0/8' },
      { sni: 'b.test', address: '10.0.0.0/8' },
    ],
  ],
  ['one more protocol', 'tls', [{ alpn: 'h2' }, { alpn: ['h2', 'x'] }]],
  ['any network behind a protocol', 'tls', [{ alpn: 'h2' }, { address: '10.0.0.0/8' }]],
  [
    'one of two names',
    'tls',
    [
      { sni: 'a.test', address: '10.0.0.0/8' },
      { sni: ['a.test', 'b.test'], address: '10.0.0.0/8' },
    ],
  ],
])('no alarm for %s', (_, kind, matches) => {
  expect(problemsOf(kind, ...matches)).toEqual([])
})

it('a rule on two listeners is shadowed only if it is on both', () => {
  const config: ConfigInput = {
    listeners: { one: tcp, two: { ...tcp, address: '127.0.0.1:7002' } },
    pools: { db: { endpoints: ['tcp://10.0.0.1:1'] } },
    routes: [
      { name: 'a', listener: 'one', match: { address: '10.0.0.0/8' }, pool: 'db' },
      { name: 'b', listener: ['one', 'two'], match: { address: '10.0.0.0/8' }, pool: 'db' },
    ],
  }
  expect(flowShadowProblems(tableOf(config))).toEqual([])
})
