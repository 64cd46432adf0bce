// The least a proxy at the edge can be: what a bare `fetch` costs in workerd. Part of the edge bench.

interface Env {
  readonly APP_A: string
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url)
    return fetch(env.APP_A + url.pathname + url.search, request)
  },
}
