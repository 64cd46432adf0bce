// Writes a config that was made by a program, in the form that the ending of the file asks for.

import { writeFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { ConfigInput } from '../shared/config/config.ts'
import { writeYaml } from '../shared/config/yaml-document.ts'
import { CannotRun } from './exit.ts'

/** `-o -`: standard output, as YAML. */
export const STDOUT = '-'

export type ConfigFormat = 'yaml' | 'json' | 'ts'

/** Undefined for an ending that says nothing. */
export function formatOf(output: string): ConfigFormat | undefined {
  return output === STDOUT ? 'yaml' : formats[extname(output).toLowerCase()]
}

/** @param origin one line on where it comes from, for the top of the file */
export function writeConfig(config: ConfigInput, output: string, origin: string): void {
  writeText(formatConfig(config, formatOf(output)!, origin), output)
}

export function formatConfig(config: ConfigInput, format: ConfigFormat, origin: string): string {
  const line = origin.replace(/[\r\n]+/g, ' ')
  if (format === 'json') return `${JSON.stringify(config, null, 2)}\n`
  if (format === 'yaml') return `# ${line}\n${writeYaml(config)}`
  const body = JSON.stringify(config, null, 2).replace(/^(\s*)"([A-Za-z_$][\w$]*)":/gm, '$1$2:')
  // Types alone, so that the file can be loaded where the package is not installed.
  return `// ${line}\n\nimport type { ConfigInput } from 'fourseven'\n\nexport default ${body} satisfies ConfigInput\n`
}

export function writeText(text: string, output: string): void {
  if (output === STDOUT) {
    process.stdout.write(text)
    return
  }
  try {
    writeFileSync(output, text)
  } catch (error) {
    throw new CannotRun(
      `cannot write ${output}: ${(error as Error).message}`,
      'Name a file in a folder that can be written.',
    )
  }
}

const formats: Readonly<Record<string, ConfigFormat>> = {
  '.yaml': 'yaml',
  '.yml': 'yaml',
  '.json': 'json',
  '.ts': 'ts',
}
