// The part of the operator API that asks the control object. Loaded when somebody first asks: an isolate that serves
// clients needs none of it at its start.

import { type Context, Hono } from 'hono'
import type * as z from 'zod/mini'
import type { Problem } from '../../shared/config/problem.ts'
import { emptyOverlay } from '../../shared/overlay/overlay.ts'
import { problemsOf } from '../../shared/overlay/words.ts'
import { changeSchema, historyQuery, keySchema, undoSchema, windowQuery } from './asked.ts'
import type { Answer, Asked } from './control.ts'
import type { ControlStub } from './find.ts'
import { openapiDocument } from './openapi.ts'

/**
 * - `GET openapi.json`
 * - `GET overlay`: what holds now, with an ETag
 * - `GET status`: pools, endpoints and splits as they hold now, and what was counted; `GET counts`: that alone
 * - `GET history`, `POST changes`, `POST undo`
 *
 * Refusals are `{ problems }` with 400, 404, 409, 413, 429 or 503.
 *
 * @param find undefined without a binding
 */
export function openControlApi(path: string, find: () => ControlStub | undefined) {
  const app = new Hono<{ Variables: { control: ControlStub } }>().basePath(path)
  app.get('/openapi.json', context => context.json(openapiDocument(path)))
  app.use(async (context, next) => {
    const control = find()
    if (control === undefined) {
      const mend = 'Bind FOURSEVEN_CONTROL in wrangler.toml.'
      return refuse(context, 503, problem('no-control-object', '', 'there is no control object', mend))
    }
    context.set('control', control)
    await next()
    return
  })
  app.get('/overlay', async context => {
    const tag = /^(?:W\/)?"([\w-]{1,64})\.(\d{1,16})"$/.exec(context.req.header('if-none-match') ?? '')
    const told = await context.var.control.read(tag?.[1], Number(tag?.[2] ?? -1))
    context.header('etag', `"${told.birth}.${told.version}"`)
    context.header('cache-control', 'private, no-cache')
    if (told.text === undefined) return context.body(null, 304)
    return context.json({ at: told.at, overlay: told.text === '' ? emptyOverlay : JSON.parse(told.text) })
  })
  app.get('/status', async context => {
    const query = windowQuery.safeParse(context.req.query())
    if (!query.success) return refuse(context, 400, ...problemsOf(query.error.issues, context.req.query()))
    const status = await context.var.control.status(query.data.window * 1_000)
    if (status !== undefined) return context.json(status)
    const message = 'what is stored was written by another version of this program'
    const mend = 'Deploy that version again, or a newer one.'
    return refuse(context, 503, problem('unreadable-overlay', '', message, mend))
  })
  app.get('/counts', async context => {
    const query = windowQuery.safeParse(context.req.query())
    if (!query.success) return refuse(context, 400, ...problemsOf(query.error.issues, context.req.query()))
    return context.json(await context.var.control.counts(query.data.window * 1_000))
  })
  app.get('/history', async context => {
    const query = historyQuery.safeParse(context.req.query())
    if (!query.success) return refuse(context, 400, ...problemsOf(query.error.issues, context.req.query()))
    const { before, most, automatic } = query.data
    return context.json({ changes: await context.var.control.history(before, most, automatic === 'yes') })
  })
  app.post('/changes', async context => {
    const body = await read(context, changeSchema)
    if (body instanceof Response) return body
    const { command, ...who } = body
    return answer(context, await context.var.control.command(command, askedBy(context, who)))
  })
  app.post('/undo', async context => {
    const body = await read(context, undoSchema)
    if (body instanceof Response) return body
    const { version, ...who } = body
    return answer(context, await context.var.control.undo(version, askedBy(context, who)))
  })
  app.onError((error, context) => {
    console.error(`fourseven: the control object: ${error.message}`)
    const mend = 'Traffic goes on by the last state. Try again.'
    return refuse(context, 503, problem('control-unreachable', '', 'the control object did not answer', mend))
  })
  return app
}

/** The body as the schema has it, or the refusal. */
async function read<Schema extends z.ZodMiniType>(
  context: Context,
  schema: Schema,
): Promise<z.output<Schema> | Response> {
  const key = keySchema.safeParse(context.req.header('idempotency-key'))
  if (!key.success) {
    const mend = 'Write 1 to 200 characters.'
    return refuse(context, 400, problem('out-of-range', 'idempotency-key', 'the key is empty or too long', mend))
  }
  const text = await readText(context.req.raw)
  if (text === undefined) {
    const message = `the body is longer than ${LONGEST_BODY} bytes`
    return refuse(context, 413, problem('too-large', '', message, 'No change is that long.'))
  }
  let input: unknown
  try {
    input = JSON.parse(text)
  } catch {
    return refuse(context, 400, problem('bad-syntax', '', 'the body is no JSON', 'Send a JSON object.'))
  }
  const body = schema.safeParse(input)
  return body.success ? body.data : refuse(context, 400, ...problemsOf(body.error.issues, input))
}

/** undefined when it is too long; what is beyond is not read. */
async function readText({ body }: Request): Promise<string | undefined> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of body as ReadableStream<Uint8Array>) {
    bytes += chunk.byteLength
    if (bytes > LONGEST_BODY) return undefined
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function askedBy(
  context: Context,
  { author, reason, ifVersion }: { author: string; reason: string; ifVersion?: number | undefined },
): Asked {
  return { author, reason, ifVersion, idempotencyKey: context.req.header('idempotency-key') }
}

function answer(context: Context, said: Answer): Response {
  if (said.ok) {
    const { ok: _, ...rest } = said
    return context.json(rest)
  }
  return context.json({ problems: [said.problem], version: said.version }, statusOf[said.problem.code] ?? 400)
}

function refuse(context: Context, status: 400 | 413 | 503, ...problems: readonly Problem[]): Response {
  return context.json({ problems }, status)
}

function problem(code: string, path: string, message: string, mend: string): Problem {
  return { severity: 'error', code, path, message, mend }
}

const statusOf: Readonly<Record<string, 404 | 409 | 413 | 422 | 429 | 503>> = {
  'unknown-split': 404,
  'unknown-endpoint': 404,
  'unknown-version': 404,
  'another-base': 409,
  'version-conflict': 409,
  'changed-since': 409,
  'already-undone': 409,
  'not-undoable': 409,
  'key-reused': 422,
  'too-many-changes': 429,
  'overlay-too-large': 413,
  'too-many-entries': 413,
  'unreadable-overlay': 503,
}
const LONGEST_BODY = 65_536
