// What the operator may ask the Worker: behind a token, under one path, off when no token is set.

import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import type { Config } from '../shared/config/parsed.ts'
import { openBucket, take } from './control/bucket.ts'
import type { ControlStub } from './control/find.ts'

export interface OperatorApp {
  fetch(request: Request): Response | Promise<Response>
}

/** Every path below this is the operator's. */
export const OPERATOR_PATH = '/.fourseven/'

/**
 * - `GET /.fourseven/healthz`: 200 `ok` when the table is in place.
 * - `GET /.fourseven/table`: how many listeners, routes and pools this isolate serves.
 * - `GET /.fourseven/metrics`: what this isolate has counted, as Prometheus reads it. Each isolate counts for itself, and
 *   nobody chooses which one answers.
 * - what `openControlApi` has: the overlay and its changes.
 *
 * 401 without the token, 404 for other paths, 429 when asked too often.
 */
export function openOperator(
  token: string,
  config: Config,
  metrics: () => string,
  control: () => ControlStub | undefined,
): OperatorApp {
  const app = new Hono().basePath(OPERATOR_PATH)
  const asked = openBucket(100, 50, Date.now())
  const guessed = openBucket(10, 1, Date.now())
  // Whoever guesses is slowed, and who has the token is not held up by that.
  app.use(async (context, next) => {
    await next()
    if (context.res.status === 401 && !take(guessed, Date.now())) context.res = tooMany()
  })
  app.use(bearerAuth({ verifyToken: said => isSame(said, token), realm: 'fourseven' }))
  app.use(async (_, next) => (take(asked, Date.now()) ? await next() : tooMany()))
  app.get('/healthz', context => context.text('ok\n'))
  app.get('/metrics', context => context.body(metrics(), 200, { 'content-type': PROMETHEUS }))
  app.get('/table', context =>
    context.json({
      listeners: config.listeners.length,
      routes: config.routes.length,
      pools: config.pools.length,
    }),
  )
  let api: OperatorApp | undefined
  app.all('*', async context => {
    api ??= (await import('./control/api.ts')).openControlApi(OPERATOR_PATH, control)
    return api.fetch(context.req.raw)
  })
  return app
}

function tooMany(): Response {
  const mend = 'Try again in a second.'
  const problems = [{ severity: 'error', code: 'too-many-requests', path: '', message: 'too many requests', mend }]
  return Response.json({ problems }, { status: 429, headers: { 'retry-after': '1' } })
}

/** In constant time: what is compared are digests, so not even the length shows. */
async function isSame(said: string, token: string): Promise<boolean> {
  const [one, other] = await Promise.all([digest(said), digest(token)])
  return crypto.subtle.timingSafeEqual(one, other)
}

const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8'

function digest(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
}
