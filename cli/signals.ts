// Ctrl-C and SIGTERM end a running command in order. Asking again changes nothing: npm passes a Ctrl-C on that the
// terminal has sent to everybody already.

/** Settles at the first SIGINT, SIGTERM or SIGHUP. From the call on none of them ends the process by itself. */
export function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    for (const signal of SIGNALS) process.on(signal, () => resolve(signal))
  })
}

/**
 * Runs `start` and takes away the signal handlers that it left: Miniflare's would exit with 130 in the middle of our own
 * stop. Its handler for the process's end stays, so workerd never outlives us.
 */
export async function withoutItsSignals<Started>(start: () => Promise<Started>): Promise<Started> {
  const before = SIGNALS.map(signal => process.listeners(signal))
  try {
    return await start()
  } finally {
    SIGNALS.forEach((signal, i) => {
      for (const listener of process.listeners(signal)) {
        if (!before[i]!.includes(listener)) process.removeListener(signal, listener)
      }
    })
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
