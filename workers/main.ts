// The Worker's entry.

import config from 'fourseven:config'
import { serve } from './app.ts'
import type { Env } from './env.ts'
import { type Isolate, openIsolate } from './isolate.ts'

export default {
  /**
   * `waitUntil` holds the request's tasks when the client goes away before the answer: what was claimed is settled and
   * the record is written all the same.
   */
  fetch(request, env, ctx) {
    isolate ??= open(env)
    const answer = serve(isolate, request)
    ctx.waitUntil(answer)
    return answer
  },
} satisfies ExportedHandler<Env>

/** `broken` when the variables do not fit the config: every request is answered so until the next deploy. */
function open(env: Env): Isolate | 'broken' {
  try {
    return openIsolate(config, env)
  } catch (error) {
    console.error(`fourseven: the Worker serves nothing: ${error instanceof Error ? error.message : error}`)
    return 'broken'
  }
}

let isolate: Isolate | 'broken' | undefined
