// Runs the real command as a child process, as npx would.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

export const repository = fileURLToPath(new URL('../..', import.meta.url))
const entry = join(repository, 'cli/fourseven.js')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Surroundings {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs the command to its end. */
export async function fourseven(args: readonly string[], surroundings: Surroundings = {}): Promise<Ended> {
  const running = startFourseven(args, surroundings)
  return running.ended
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** The first line of stdout that `wanted` takes; rejects when the command ends without one. */
  readonly line: (wanted: (line: string) => boolean) => Promise<string>
}

export function startFourseven(args: readonly string[], { cwd = repository, env = {} }: Surroundings = {}): Running {
  const { WRANGLER_COMMAND: _, CLOUDFLARE_ENV: __, ...inherited } = process.env
  const child = spawn(process.execPath, [entry, ...args], { cwd, env: { ...inherited, NO_COLOR: '1', ...env } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text
  })
  const ended = new Promise<Ended>(resolve => child.on('close', code => resolve({ code, stdout, stderr })))
  const line = (wanted: (line: string) => boolean) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = stdout.split('\n').slice(0, -1).find(wanted)
        if (found !== undefined) resolve(found)
      }
      child.stdout?.on('data', look)
      look()
      void ended.then(({ code }) => reject(new Error(`ended with ${code} before that line:\n${stdout}\n${stderr}`)))
    })
  return { child, ended, line }
}

/** A folder with these files, gone after the test. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'fourseven-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}
