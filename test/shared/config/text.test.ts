import { describe, expect, test } from 'vitest'
import { ConfigError, formatProblem } from '../../../shared/config/problem.ts'
import { parseText } from '../../../shared/config/text.ts'

const yaml = `# demo
listeners:
  web: { kind: edge }
pools:
  app:
    endpoints:
      - https://app.example.com
      - address: \${NEXT:-https://next.example.com}
routes:
  - name: all
    match:
      path: /
    pool: app
`

test('YAML and JSON make the same config', () => {
  const json = JSON.stringify(
    {
      listeners: { web: { kind: 'edge' } },
      pools: { app: { endpoints: ['https://app.example.com', { address: '${NEXT:-https://next.example.com}' }] } },
      routes: [{ name: 'all', match: { path: '/' }, pool: 'app' }],
    },
    undefined,
    '\t',
  )
  expect(parseText(yaml).config).toEqual(parseText(json).config)
  expect(parseText(yaml).config.pools[0]!.endpoints).toHaveLength(2)
})

test('a JSON file may name its schema', () => {
  expect(parseText('{"$schema":"./fourseven.schema.json","listeners":{},"pools":{},"routes":[]}').warnings).toEqual([])
})

describe('a problem has its line and column', () => {
  test('in YAML', () => {
    const slips = yaml
      .replace('- https://app.example.com', '- app')
      .replace('${NEXT:-https://next.example.com}', '${NEXT}')
      .replace('path: /', 'path: x')
      .replace('pool: app\n', 'pool: apq\n    retri: {}\n')
    expect(spotsOf(slips, {})).toEqual([
      '7:9 bad-address pools.app.endpoints[0]',
      '8:9 unset-variable pools.app.endpoints[1].address',
      '14:5 unknown-key routes[0].retri',
      '12:7 bad-path routes[0].match.path',
      '13:5 unknown-pool routes[0].pool',
      '5:3 unused-pool pools.app',
    ])
  })

  test('in JSON', () => {
    const json =
      '{\n  "listeners": {"web": {"kind": "egde"}},\n  "pools": {},\n  "routes": [\n    {"pool": "x"}\n  ]\n}'
    expect(spotsOf(json)).toEqual([
      '2:25 unknown-kind listeners.web.kind',
      '5:5 missing-field routes[0].name',
      '5:6 unknown-pool routes[0].pool',
    ])
  })

  test('behind an alias it is where the thing stands', () => {
    const aliased = `${yaml.replace('match:\n      path: /', 'match: &m\n      path: x')}  - { name: b, pool: app, match: *m }\n`
    expect(spotsOf(aliased)).toEqual(['12:7 bad-path routes[0].match.path', '12:7 bad-path routes[1].match.path'])
  })

  test('and it stands in the message', () => {
    const [problem] = problemsOf(yaml.replace('pool: app', 'pool: apq'))
    expect(formatProblem(problem!)).toBe(
      'error routes[0].pool (line 13): no pool is named "apq"\n  mend: Did you mean "app"?',
    )
  })

  test('which others can ask for too', () => {
    expect(parseText(yaml).locate(['pools', 'app', 'endpoints', 1])).toEqual({ line: 8, column: 9 })
  })
})

describe('text that is refused', () => {
  test('a key that stands twice, beside what else is wrong', () => {
    const twice = yaml.replace('  app:\n', '  app: {}\n  app:\n').replace('path: /', 'path: x')
    expect(problemsOf(twice).map(({ code, line, message }) => [code, line, message])).toEqual([
      ['duplicate-key', 6, 'the key "app" stands here a second time'],
      ['bad-path', 13, 'the path "x" has to begin with /'],
    ])
    expect(problemsOf('{"listeners":{},"pools":{},"routes":[],\n"routes":[]}')).toEqual([
      expect.objectContaining({ code: 'duplicate-key', line: 2, column: 1, mend: 'Write each key once.' }),
    ])
  })

  test('text that is no YAML', () => {
    expect(problemsOf('listeners:\n  web: [')).toEqual([
      {
        severity: 'error',
        code: 'bad-syntax',
        path: '',
        message: expect.stringMatching(/^this cannot be read: Flow sequence /),
        mend: 'Write YAML 1.2 or JSON.',
        line: 2,
        column: 9,
      },
    ])
  })

  test.each([
    ['a tag nobody knows', 'a: !ruby/object {}', /^this cannot be read: Unresolved tag: !ruby\/object/],
    ['a second document', 'a: 1\n---\nb: 2\n', /^this cannot be read: Source contains multiple documents/],
    ['a nest beyond all measure', '['.repeat(50_000), /^the text is nested too deeply to be read$/],
    ['an alias of nothing', 'a: *b', /^the aliases \(\*name\) in the text cannot be followed$/],
    ['more text than anybody writes', ' '.repeat(8_000_001), /^the text is longer than 8000000 characters$/],
  ])('%s', (_, text, message) => {
    expect(problemsOf(text)[0]).toMatchObject({ code: 'bad-syntax', message: expect.stringMatching(message) })
  })

  test('a billion laughs', () => {
    const laughs = ['a: &a [x,x,x,x,x,x,x,x,x]']
    for (const [one, other] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf'])
      laughs.push(`${one}: &${one} [${`*${other},`.repeat(9)}]`)
    expect(problemsOf(laughs.join('\n'))).toEqual([
      expect.objectContaining({
        message: 'the aliases (*name) in the text cannot be followed',
        mend: 'Write out what they stand for.',
      }),
    ])
  })

  test('an alias of what it stands in', () => {
    expect(problemsOf('pools: &a { b: *a }').map(problem => problem.code)).toContain('too-deep')
  })

  test('no text at all', () => {
    expect(problemsOf('')).toEqual([
      expect.objectContaining({ code: 'wrong-type', message: 'expected an object, found nothing' }),
    ])
  })

  test('a merge key and __proto__ are keys nobody knows', () => {
    const keys = problemsOf(`${yaml}<<: {}\n__proto__: {}\n`).map(({ code, path }) => `${code} ${path}`)
    expect(keys).toEqual(['unknown-key __proto__', 'unknown-key ["<<"]'])
  })
})

function spotsOf(text: string, variables?: Readonly<Record<string, string>>): string[] {
  return problemsOf(text, variables).map(({ line, column, code, path }) => `${line}:${column} ${code} ${path}`)
}

function problemsOf(text: string, variables?: Readonly<Record<string, string>>) {
  try {
    parseText(text, variables)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('the text was taken')
}
