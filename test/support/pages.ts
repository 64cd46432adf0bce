// The pages of the project as tests read them: text, fenced blocks, tables, and what they name.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Every page, by its path from the root. */
export function pages(): string[] {
  const inFolder = (folder: string) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.md'))
      .map(file => `${folder}/${file}`)
  return ['README.md', 'CONTRIBUTING.md', ...inFolder('docs'), ...inFolder('examples')].filter(page =>
    existsSync(join(root, page)),
  )
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The first fenced block behind a marker such as `<!-- explain -->`. */
export function blockAfter(text: string, marker: string): string {
  const at = text.indexOf(`<!-- ${marker} -->`)
  const found = at === -1 ? null : /^```\w*\n([\s\S]*?)^```$/m.exec(text.slice(at))
  if (found === null) throw new Error(`no block behind <!-- ${marker} -->`)
  return found[1]!
}

/** The cells of the first table in the text, its head first. `\|` is a bar inside a cell. */
export function tableIn(text: string): string[][] {
  const lines = text.split('\n')
  const start = lines.findIndex(line => line.startsWith('|'))
  const rows: string[][] = []
  for (let i = start; i !== -1 && lines[i]?.startsWith('|'); i++) {
    if (/^\|[-|]+\|$/.test(lines[i]!)) continue
    rows.push(
      lines[i]!.slice(1, -1)
        .split(/(?<!\\)\|/)
        .map(cell => cell.trim()),
    )
  }
  return rows
}

/** What stands in backticks. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, inside]) => inside!)
}

/** Lines of shell blocks. */
export function shellLines(text: string): string[] {
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => block!.trim().split('\n'))
}

/** A command line without its quotes. */
export function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, inQuotes, bare]) => inQuotes ?? bare!)
}
