// The pages say what is true: commands run, fields, codes, reasons, files and functions are there, and none is missing.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { EXIT } from '../cli/exit.ts'
import { findingCodes } from '../relay/kernel/preflight.ts'
import { defaults } from '../shared/config/defaults.ts'
import { doors, features } from '../shared/config/doors.ts'
import { configJsonSchema } from '../shared/config/json-schema.ts'
import { templateNames } from '../shared/config/template.ts'
import { reasons } from '../shared/decide/reason.ts'
import { precedenceSteps } from '../shared/table/precedence.ts'
import { fourseven } from './cli/command.ts'
import { blockAfter, pages, quoted, read, root, shellLines, tableIn, words } from './support/pages.ts'

const configuration = read('docs/configuration.md')

describe('every page', () => {
  test('links to what is there', () => {
    const broken = pages().flatMap(page =>
      [...read(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)]
        .map(([, target]) => target!)
        .filter(target => !/^https?:/.test(target) && !existsSync(join(root, dirname(page), target)))
        .map(target => `${page} -> ${target}`),
    )
    expect(broken).toEqual([])
  })

  test('names only files that are there', () => {
    const missing = pages().flatMap(page =>
      quoted(read(page))
        .filter(text => /^(shared|workers|relay|cli|test|bench|docs|examples|\.ci)\/[\w./-]*$/.test(text))
        .filter(path => !existsSync(join(root, path)))
        .map(path => `${page}: ${path}`),
    )
    expect(missing).toEqual([])
  })

  test('names no machine and no registry', () => {
    for (const page of pages()) expect(read(page), page).not.toMatch(/\/(work|tmp|home|root)\/|registry\./)
  })

  test('is in plain characters', () => {
    for (const page of pages()) expect(read(page), page).not.toMatch(/\p{Extended_Pictographic}|[\u2014\u2013]/u)
  })

  test('prints only npm scripts that are there', () => {
    const scripts = Object.keys(JSON.parse(read('package.json')).scripts)
    const named = pages().flatMap(page =>
      [...read(page).matchAll(/\bnpm (?:run (\w+)|(start|test))\b/g)].map(([, run, short]) => run ?? short!),
    )
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter(script => !scripts.includes(script))).toEqual([])
  })
})

describe('the commands', () => {
  const lines = new Set(
    pages().flatMap(page => [
      ...shellLines(read(page)).filter(line => line.startsWith('npx fourseven ')),
      ...quoted(read(page)).filter(text => /^npx fourseven \w+ (?:https?:|tcp \d|\w+\/|-)/.test(text)),
    ]),
  )
  const runnable = [...lines].filter(
    line => /^npx fourseven (check|explain) /.test(line) && !/ routes\.(ts|yaml)/.test(line),
  )

  test('are found', () => {
    expect(runnable.length).toBeGreaterThan(4)
  })

  test.each(runnable)('%s runs', async line => {
    const { code, stderr } = await fourseven(words(line).slice(2))
    expect(code, stderr).toBe(0)
  })

  test('have the subcommands and options that the pages print', async () => {
    const help = new Map<string, string>()
    for (const line of lines) {
      const [, , first = '', second = '', ...others] = words(line)
      // Some have subcommands of their own.
      const isNested = ['import', 'export', 'kernel', 'probe', 'purge'].includes(first) && !second.startsWith('-')
      const subcommand = isNested ? `${first} ${second}` : first
      const rest = [second, ...others]
      if (!help.has(subcommand)) {
        const { code, stdout } = await fourseven([...subcommand.split(' '), '--help'])
        expect(code, line).toBe(0)
        help.set(subcommand, stdout)
      }
      for (const word of rest) if (/^--?[A-Za-z]/.test(word)) expect(help.get(subcommand), line).toContain(word)
    }
  }, 120_000)
})

describe('the README', () => {
  const readme = read('README.md')
  const first = blockAfter(readme, 'first config')

  test('has a first config of ten lines that passes the check when pasted', async () => {
    expect(first.trimEnd().split('\n')).toHaveLength(10)
    // Inside the clone, where `fourseven` is found.
    mkdirSync(join(root, 'dist'), { recursive: true })
    const folder = mkdtempSync(join(root, 'dist', 'pasted-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(join(folder, 'routes.ts'), first)
    const { code, stdout } = await fourseven(['check', 'routes.ts', '--strict'], { cwd: folder })
    expect(stdout).toContain('0 errors, 0 warnings')
    expect(code).toBe(0)
  })

  test('has the first example as its first config', () => {
    expect(first).toBe(read('examples/first/routes.ts'))
  })

  test('shows what explain really says', async () => {
    const line = shellLines(readme).find(command => command.includes('examples/canary-by-cookie'))!
    const { stdout } = await fourseven(words(line).slice(2))
    expect(stdout).toContain(blockAfter(readme, 'explain'))
  })

  test('has the features of every open door', () => {
    const open = Object.keys(doors)
    const rows = Object.entries(features)
      .filter(([, able]) => able.some(door => open.includes(door)))
      .map(([feature, able]) => {
        const cells = open.map(door => (able.some(other => other === door) ? 'yes' : 'no'))
        return `| \`${feature}\` | ${cells.join(' | ')} |`
      })
    const table = [
      `| feature | ${open.map(door => `\`${door}\``).join(' | ')} |`,
      `|---|${open.map(() => '---|').join('')}`,
      ...rows,
    ]
    expect(readme).toContain(`<!-- doors -->\n${table.join('\n')}\n<!-- /doors -->`)
  })

  test('names every folder of the source', () => {
    const layout = /## What is where\n\n```text\n([\s\S]*?)```/.exec(readme)![1]!
    const named = [...layout.matchAll(/^(\w+)\//gm)].map(([, folder]) => folder)
    const there = readdirSync(root, { withFileTypes: true })
      .filter(entry => entry.isDirectory() && !/^\.|^(node_modules|dist)$/.test(entry.name))
      .map(entry => entry.name)
    expect(named.sort()).toEqual(there.sort())
  })
})

describe('the configuration page', () => {
  const schema = configJsonSchema() as unknown as Part
  const parts = new Map<string, Part>([['Config', schema], ...Object.entries(schema.$defs!)])
  const sections = new Map(
    [...configuration.matchAll(/^<!-- fields of (\w+) -->$/gm)].map(found => [
      found[1]!,
      tableIn(configuration.slice(found.index)).slice(1),
    ]),
  )

  test('has every field of the JSON Schema and no other', () => {
    for (const [name, part] of parts) {
      // A route of one rule has the fields of both.
      if (name.endsWith('OfOneRule')) continue
      const fields = fieldsOf(part).map(([path]) => path)
      if (fields.length === 0) continue
      const written = (sections.get(name) ?? []).map(([field]) => quoted(field!)[0])
      expect(written.sort(), name).toEqual([...new Set(fields)].sort())
    }
    for (const name of sections.keys()) expect(parts.has(name), name).toBe(true)
  })

  test('has the defaults and bounds of the JSON Schema', () => {
    for (const [name, rows] of sections) {
      for (const [path, field] of fieldsOf(parts.get(name)!)) {
        const [, , said, meaning] = rows.find(([cell]) => quoted(cell!)[0] === path)!
        const fallback = field.default ?? (field.$ref && schema.$defs![field.$ref.split('/').at(-1)!]!.default)
        for (const value of [fallback].flat()) {
          const texts = typeof value === 'object' ? Object.values(value as object) : [value]
          for (const text of texts) if (text !== undefined) expect(said, `${name}.${path}`).toContain(inWords(text))
        }
        if (field.maximum !== undefined && field.maximum < Number.MAX_SAFE_INTEGER) {
          expect(meaning, `${name}.${path}`).toContain(`${inWords(field.minimum)} to ${inWords(field.maximum)}`)
        }
      }
    }
  })

  test('has the defaults that the JSON Schema does not know', () => {
    const rows = {
      'HttpRule retry.maxBuffer': defaults.retryMaxBuffer,
      'HttpRule timeouts.request': defaults.requestTimeout,
      'HttpRule timeouts.try': defaults.tryTimeout,
      'FlowRule timeouts.connect': defaults.connectTimeout,
      'FlowRule timeouts.idle': defaults.idleTimeout,
      'TlsListener peekTimeout': defaults.peekTimeout,
      'TlsListener maxPeek': defaults.maxPeek,
      'Pool affinity.cookie': defaults.affinityCookie,
      'Pool affinity.maxAge': defaults.affinityMaxAge,
      'Pool outlier.baseEjection': defaults.baseEjection,
      'Pool outlier.maxEjection': defaults.maxEjection,
    }
    for (const [name, value] of Object.entries(rows)) {
      const [part, path] = name.split(' ') as [string, string]
      const row = sections.get(part)!.find(([cell]) => quoted(cell!)[0] === path)!
      expect(row[2], name).toBe(`\`${value}\``)
    }
  })

  test('has the steps of precedence in their order', () => {
    const listed = [...configuration.matchAll(/^\d+\. (.+)$/gm)].map(([, step]) => step)
    expect(listed).toEqual([...precedenceSteps])
  })

  test('has every value that a header may hold', () => {
    for (const name of templateNames.keys()) expect(configuration).toContain(`\`{${name}}\``)
  })

  const table = tableIn(configuration.slice(configuration.indexOf('## Errors and warnings'))).slice(1)
  const said = new Map(table.map(([code, severity]) => [quoted(code!)[0]!, severity!]))
  const used = codesIn(['shared', 'relay', 'cli'])

  test('has every code of a problem, with its severity, and no other', () => {
    expect(used.size).toBeGreaterThan(60)
    expect([...said.keys()].sort()).toEqual([...used.keys()].sort())
    for (const [code, severities] of used) expect([...severities], code).toEqual([said.get(code)])
  })

  test('names at its fields only codes that there are', () => {
    for (const [name, rows] of sections) {
      for (const row of rows) for (const code of quoted(row[4]!)) expect(said.has(code), `${name}: ${code}`).toBe(true)
    }
  })
})

describe('the page of reasons', () => {
  const text = read('docs/reasons.md')
  const sections = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map(section => [section.split('\n')[0]!, section.replace(/\s+/g, ' ')]),
  )

  test('has every reason and no other, in one order', () => {
    expect([...sections.keys()]).toEqual(Object.keys(reasons))
  })

  test.each(Object.entries(reasons))('%s has its status and its meaning', (word, { status, says, isRegistered }) => {
    const section = sections.get(word)!
    expect(section).toContain(`Status ${status}. `)
    expect(section).toContain(says)
    expect(section.includes(' Ours. ')).toBe(!isRegistered)
  })

  test('says of every reason that no code gives that no door gives it', () => {
    const code = sources(['shared', 'workers', 'relay'])
      .filter(file => !file.endsWith('decide/reason.ts'))
      .map(read)
      .join('\n')
    for (const [word, section] of sections) {
      expect(section.includes('No open door gives it yet.'), word).toBe(!code.includes(`'${word}'`))
      expect(section.includes('What to do: '), word).toBe(code.includes(`'${word}'`))
    }
  })
})

describe('the page of running the relay', () => {
  const text = read('docs/running.md')
  const rowsAfter = (marker: string) => tableIn(text.slice(text.indexOf(`<!-- ${marker} -->`))).slice(1)

  test('has every option of the command and no other', async () => {
    const { stdout } = await fourseven(['relay', '--help'])
    const options = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option!)
    const named = rowsAfter('options').map(([option]) => quoted(option!)[0]!)
    expect([...named, '--help'].sort()).toEqual(options.sort())
  })

  test('has every exit code and no other', () => {
    expect(rowsAfter('exit codes').map(([code]) => Number(code))).toEqual(Object.values(EXIT))
  })

  test('has every metric with its labels and no other', () => {
    const made = [...read('relay/metrics.ts').matchAll(/name: '(\w+)',\s*help: '.*',\s*labelNames: \[(.*)\]/g)]
    expect(made.length).toBeGreaterThan(8)
    const named = rowsAfter('metrics').map(([metric, labels]) => `${quoted(metric!)[0]} ${labels}`)
    expect(named).toEqual(made.map(([, name, labels]) => `${name} ${labels!.replaceAll("'", '')}`))
  })

  test("has every path of the operator's port and no other", () => {
    const paths = [...read('relay/operator.ts').matchAll(/case '((?:GET|POST) \/\w+)'/g)].map(([, path]) => path)
    expect(rowsAfter('operator').map(([path]) => quoted(path!)[0])).toEqual(paths)
  })
})

describe('the page of the kernel', () => {
  const text = read('docs/kernel.md')
  const rowsAfter = (marker: string) => tableIn(text.slice(text.indexOf(`<!-- ${marker} -->`))).slice(1)

  test('has every metric with its labels and no other', () => {
    const code = read('relay/kernel/metrics.ts')
    const made = [...code.matchAll(/name: '(\w+)',\s*help: '.*',\s*labelNames: \[(.*)\]/g)]
    expect(made.length).toBeGreaterThan(4)
    const named = rowsAfter('kernel metrics').map(([metric, labels]) => `${quoted(metric!)[0]} ${labels}`)
    expect(named).toEqual(made.map(([, name, labels]) => `${name} ${labels!.replaceAll("'", '')}`))
  })

  test('has every event and no other', () => {
    const made = [...read('relay/kernel/event.ts').matchAll(/\| '(\w+)'/g)].map(([, event]) => event)
    expect(rowsAfter('kernel events').map(([event]) => quoted(event!)[0])).toEqual(made)
  })

  test('has every finding of the preflight and no other', () => {
    const rows = rowsAfter('preflight').map(([code, meaning]) => [quoted(code!)[0], meaning])
    expect(rows).toEqual(Object.entries(findingCodes))
  })
})

describe.each(['docs/life-of-a-request.md', 'docs/life-of-a-connection.md'])('%s', page => {
  const text = read(page)
  const rows = tableIn(text).slice(1)

  test('names functions that are where it says', () => {
    expect(rows.length).toBeGreaterThan(8)
    for (const [, file, functions] of rows) {
      const code = read(quoted(file!)[0]!)
      for (const name of quoted(functions!)) expect(defines(code, name), `${file} ${name}`).toBe(true)
    }
  })

  test('speaks of no function that its table does not have', () => {
    const known = new Set(rows.flatMap(([, , functions]) => quoted(functions!)))
    const spoken = quoted(text).filter(word => /^\w+\(\)$/.test(word))
    expect(spoken.filter(word => !known.has(word))).toEqual([])
  })
})

test('decisions are numbered without a gap and have three parts', () => {
  const files = readdirSync(join(root, 'docs/decisions')).sort()
  expect(files.map(file => Number(file.slice(0, 3)))).toEqual(files.map((_, i) => i + 1))
  for (const file of files) {
    const headings = [...read(`docs/decisions/${file}`).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    expect(headings, file).toEqual(['Context', 'Decision', 'Consequences'])
  }
})

interface Part {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Part>>
  readonly properties?: Readonly<Record<string, Part>>
  readonly anyOf?: readonly Part[]
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
}

/** Fields of a part and of the objects written inside it, with dots; other parts that it refers to are not entered. */
function fieldsOf(part: Part, before = ''): [path: string, field: Part][] {
  return [part, ...(part.anyOf ?? [])].flatMap(each =>
    Object.entries(each.properties ?? {}).flatMap(([key, field]): [string, Part][] => [
      [before + key, field],
      ...fieldsOf(field, `${before}${key}.`),
    ]),
  )
}

function inWords(value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en', { maximumFractionDigits: 3 }) : String(value)
}

/** A function `name()` of a file: declared, a method, or a property of an object. */
function defines(code: string, name: string): boolean {
  const bare = name.slice(0, -2)
  return new RegExp(`(?:function ${bare}|^  (?:private |async )*${bare})(?:<|\\()`, 'm').test(code)
}

function sources(folders: readonly string[]): string[] {
  return folders.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.ts') && !file.includes('node_modules'))
      .map(file => `${folder}/${file}`),
  )
}

/** Codes of problems by the ways in which the source writes them, each with its severities. */
function codesIn(folders: readonly string[]): Map<string, Set<string>> {
  const codes = new Map<string, Set<string>>()
  const add = (code: string, severity: string) => codes.set(code, (codes.get(code) ?? new Set()).add(severity))
  // Notes of an import are on the page of migrating; what the overlay refuses is not of a config.
  for (const file of sources(folders).filter(name => !/^shared\/(gateway-api|overlay)\//.test(name))) {
    const code = read(file)
    for (const [, severity, name] of code.matchAll(/findings\.(error|warning)\(\s*'([a-z-]+)'/g)) add(name!, severity!)
    for (const [, name] of code.matchAll(/\b(?:once|failed)\((?:file, )?'([a-z]+(?:-[a-z]+)+)'/g)) add(name!, 'error')
    for (const [line] of code.matchAll(/\bcode(?: =|:)(?!.*\[).*$/gm)) {
      const at = code.indexOf(line)
      const severity = /severity: '(\w+)'/.exec(code.slice(Math.max(0, at - 80), at))?.[1] ?? 'error'
      for (const name of quotedCodes(line.split(/, (?:at|path|message)\b/)[0]!)) add(name, severity)
    }
  }
  for (const [, name] of read('relay/listen-problem.ts').matchAll(/return \[\s*'([a-z-]+)'/g)) add(name!, 'error')
  return codes
}

function quotedCodes(line: string): string[] {
  return [...line.matchAll(/'([a-z]+(?:-[a-z]+)+)'/g)].map(([, name]) => name!)
}
