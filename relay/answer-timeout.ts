// A timeout for an answer that may lie there unread: where this program itself was busy, timers come before what has
// arrived meanwhile, and an endpoint must not be called silent for that.

/**
 * Calls back when nothing has come for `ms`. A timer that rings late gets as much time again as it was late by, once and
 * at most `ms`; and before it is final whatever has arrived by then is heard.
 *
 * @returns ends it
 */
export function startAnswerTimeout(ms: number, onSilent: () => void): () => void {
  const due = performance.now() + ms
  let last: NodeJS.Immediate | undefined
  const ring = () => {
    // Immediates come behind what is read, timers before it.
    last = setImmediate(onSilent)
  }
  let timer = setTimeout(() => {
    const lateMs = performance.now() - due
    if (lateMs > punctualMs) timer = setTimeout(ring, Math.min(lateMs, ms))
    else ring()
  }, ms)
  return () => {
    clearTimeout(timer)
    clearImmediate(last)
  }
}

/** Timers of a program that is not busy are no later. */
const punctualMs = 10
