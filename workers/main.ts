// The Worker's entry.

import packedConfig from 'fourseven:config'
import { unpackConfig } from '../shared/config/packed.ts'
import { serve } from './app.ts'
import { type Isolate, openIsolate } from './isolate.ts'

export { Control } from './control/control.ts'
export { Probes } from './control/probes.ts'

export default {
  /**
   * `waitUntil` holds the request's tasks when the client goes away before the answer: what was claimed is settled and
   * the record is written all the same.
   */
  fetch(request, env, ctx) {
    isolate ??= open(env)
    const answer = serve(isolate, request, ctx)
    ctx.waitUntil(answer)
    return answer
  },
} satisfies ExportedHandler<Cloudflare.Env>

/** `broken` when the variables do not fit the config: every request is answered so until the next deploy. */
function open(env: Cloudflare.Env): Isolate | 'broken' {
  try {
    // A copy: what wrangler.toml binds, as `npm run types` reads it, has to be what `Env` says.
    return openIsolate(unpackConfig(packedConfig), { ...env })
  } catch (error) {
    console.error(`fourseven: the Worker serves nothing: ${error instanceof Error ? error.message : error}`)
    return 'broken'
  }
}

let isolate: Isolate | 'broken' | undefined
