// What a process has used so far, by /proc: Linux only.

import { readdirSync, readFileSync } from 'node:fs'

/**
 * CPU time of all its threads, in nanoseconds: the first number of a thread's schedstat. utime and stime of
 * /proc/PID/stat count in steps of 10 ms. Threads that have ended are not in it.
 */
export function cpuNsOf(pid: number): number {
  let ns = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
  }
  return ns
}

/** Resident memory in bytes. What the kernel holds for its sockets is not in it. */
export function residentBytesOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  if (kib === null) throw new Error(`process ${pid} has ended`)
  return Number(kib[1]) * 1024
}
