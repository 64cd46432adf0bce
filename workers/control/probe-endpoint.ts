// One probe of one endpoint by HTTP, from where the object runs.

import type { Env } from '../env.ts'
import type { Target } from './probe-plan.ts'

/** Undefined when it passed, else why not, in a few words. Never rejects. */
export async function askTarget({ url, binding, probe }: Target, bindings: Env): Promise<string | undefined> {
  const via = binding === undefined ? undefined : (bindings[binding] as Fetcher | undefined)
  if (binding !== undefined && typeof via?.fetch !== 'function') return `nothing is bound as ${binding}`
  const signal = AbortSignal.timeout(probe.edge.timeoutMs)
  const init: RequestInit = {
    headers: { 'user-agent': 'fourseven-probe', accept: '*/*', 'cache-control': 'no-cache' },
    redirect: 'manual',
    signal,
  }
  try {
    const response = await (via === undefined ? fetch(url, init) : via.fetch(url, init))
    const [lowest, highest] = probe.status
    const { status } = response
    if (status < lowest || status > highest) {
      await response.body?.cancel()
      return `status ${status}, not ${lowest === highest ? lowest : `${lowest} to ${highest}`}`
    }
    if (probe.body === undefined) await response.body?.cancel()
    else if (!(await hasText(response, probe.body))) return 'the body does not hold the text'
    return undefined
  } catch (error) {
    if (signal.aborted) return `no answer within ${probe.edge.timeoutMs} ms`
    return error instanceof Error ? error.message.slice(0, LONGEST_WHY) : String(error)
  }
}

/** In its first 10 KiB; what comes after is not read. */
async function hasText({ body }: Response, text: string): Promise<boolean> {
  if (body === null) return false
  const decoder = new TextDecoder()
  let read = ''
  let bytes = 0
  for await (const chunk of body as ReadableStream<Uint8Array>) {
    read += decoder.decode(chunk.subarray(0, MOST_BODY - bytes), { stream: true })
    bytes += chunk.byteLength
    if (read.includes(text)) return true
    if (bytes >= MOST_BODY) return false
  }
  return false
}

const MOST_BODY = 10 * 1024
const LONGEST_WHY = 120
