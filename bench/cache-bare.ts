// A Worker that only looks into the Cache API: the least that a hit can cost at the edge.

declare const caches: {
  readonly default: {
    match(url: string): Promise<Response | undefined>
    put(url: string, answer: Response): Promise<void>
  }
}

interface Context {
  waitUntil(work: Promise<unknown>): void
}

export default {
  async fetch(request: Request, env: { readonly ENDPOINT: string }, context: Context): Promise<Response> {
    const found = await caches.default.match(request.url)
    if (found !== undefined) return found
    const { pathname } = new URL(request.url)
    const answer = await fetch(env.ENDPOINT + pathname)
    context.waitUntil(caches.default.put(request.url, answer.clone()))
    return answer
  },
}
