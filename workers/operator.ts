// What the operator may ask the Worker: behind a token, under one path, off when no token is set.

import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import type { Config } from '../shared/config/parse.ts'

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
 *
 * 401 without the token, 404 for other paths.
 */
export function openOperator(token: string, config: Config, metrics: () => string): OperatorApp {
  const app = new Hono().basePath(OPERATOR_PATH)
  app.use(bearerAuth({ verifyToken: said => isSame(said, token), realm: 'fourseven' }))
  app.get('/healthz', context => context.text('ok\n'))
  app.get('/metrics', context => context.body(metrics(), 200, { 'content-type': PROMETHEUS }))
  app.get('/table', context =>
    context.json({
      listeners: config.listeners.length,
      routes: config.routes.length,
      pools: config.pools.length,
    }),
  )
  return app
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
