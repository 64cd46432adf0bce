// Runs the programs that speak to the kernel: nft, ip, conntrack, arping. Each call has a bound on time and output.

import { type ChildProcess, spawn } from 'node:child_process'

export interface Ran {
  /** The exit status; -1 when it did not start or did not end in time. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The program is not there. */
  readonly isMissing: boolean
}

export type Run = (program: string, args: readonly string[], input?: string, timeoutMs?: number) => Promise<Ran>

/** Never rejects. */
export const run: Run = (program, args, input = '', timeoutMs = longestMs) =>
  new Promise(resolve => {
    // A relay run by its user has no /usr/sbin in its path, where Debian puts these.
    const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' }
    const child: ChildProcess = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env })
    const out: Buffer[] = []
    const err: Buffer[] = []
    let kept = 0
    const keep = (chunks: Buffer[]) => (chunk: Buffer) => {
      kept += chunk.length
      if (kept <= mostOutput) chunks.push(chunk)
      else child.kill('SIGKILL')
    }
    child.stdout?.on('data', keep(out))
    child.stderr?.on('data', keep(err))
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    let error: NodeJS.ErrnoException | undefined
    child.on('error', (failure: NodeJS.ErrnoException) => {
      error = failure
      // Without a descriptor left there are no pipes, and nothing closes.
      if (!child.stdout) ended(null)
    })
    child.on('close', code => ended(code))
    const ended = (code: number | null) => {
      clearTimeout(timer)
      const stderr = `${Buffer.concat(err)}${error === undefined ? '' : error.message}`
      resolve({
        code: error === undefined ? (code ?? -1) : -1,
        stdout: Buffer.concat(out).toString(),
        stderr: code === null && error === undefined ? `${stderr}it took too long or said too much` : stderr,
        isMissing: error?.code === 'ENOENT' || error?.code === 'EACCES',
      })
    }
    // A program that ends early has said why.
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })

/** A quarter of a million pins, listed on a busy machine. */
const longestMs = 60_000
const mostOutput = 256 * 1024 * 1024
