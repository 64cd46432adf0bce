// The OpenAPI document of the operator API, made of the schemas that read its requests (OpenAPI 3.1: its schemas are JSON
// Schema 2020-12).

import * as z from 'zod/mini'
import { answerSchema, changeSchema, historyQuery, problemSchema, undoSchema, windowQuery } from './asked.ts'

/** @param path under which the API stands, with a slash at the end */
export function openapiDocument(path: string): object {
  const under = path.slice(0, -1)
  return {
    openapi: '3.1.0',
    info: {
      title: "Fourseven's operator API",
      version: '1',
      description: 'What may change without a deploy, and what is known of the edge.',
    },
    security: [{ token: [] }],
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'FOURSEVEN_OPERATOR_TOKEN' } },
      schemas: { Problems: schemaOf(problemSchema), Answer: schemaOf(answerSchema) },
    },
    paths: {
      [`${under}/healthz`]: { get: says('Whether a table is in place.', { 200: text('`ok`') }) },
      [`${under}/table`]: { get: says('How much this isolate serves.', { 200: json('Counts.') }) },
      [`${under}/metrics`]: { get: says('What this isolate has counted.', { 200: text('As Prometheus reads it.') }) },
      [`${under}/overlay`]: {
        get: says('The overlay, for relays. With its ETag in `If-None-Match`: 304 while it is the same.', {
          200: json('The overlay, and the time by the clock of the control object.'),
          304: { description: 'It is the same.' },
        }),
      },
      [`${under}/status`]: {
        get: reads('Pools, endpoints, splits, error rates and the last changes, over `window` seconds.', windowQuery),
      },
      [`${under}/counts`]: {
        get: reads(
          'Requests, errors and times by route and variant, tries by endpoint, over `window` seconds.',
          windowQuery,
        ),
      },
      [`${under}/history`]: { get: reads('Changes, newest first.', historyQuery) },
      [`${under}/changes`]: { post: writes('Changes the overlay.', changeSchema) },
      [`${under}/undo`]: { post: writes('Takes a change back.', undoSchema) },
    },
  }
}

function reads(summary: string, query: z.ZodMiniType): object {
  const properties = schemaOf(query)['properties'] as Record<string, object>
  const parameters = Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', schema }))
  return { ...says(summary, { 200: json('What was asked for.') }), parameters }
}

function writes(summary: string, schema: z.ZodMiniType): object {
  const answer = { 'application/json': { schema: { $ref: '#/components/schemas/Answer' } } }
  return {
    ...says(summary, {
      200: { description: 'What holds now.', content: answer },
      400: problems('What was asked cannot be read, or means nothing here.'),
      404: problems('There is no such split, endpoint or change.'),
      409: problems('Another version holds, or the change was changed again.'),
    }),
    parameters: [
      {
        name: 'idempotency-key',
        in: 'header',
        schema: { type: 'string', maxLength: 200 },
        description: 'The same key again gives the first answer and changes nothing, for a day.',
      },
    ],
    requestBody: { required: true, content: { 'application/json': { schema: schemaOf(schema) } } },
  }
}

function says(summary: string, responses: object): object {
  return {
    summary,
    responses: {
      ...responses,
      401: { description: 'The token is missing or wrong.' },
      429: problems('Too many requests.'),
      503: problems('The control object cannot be reached, or there is none.'),
    },
  }
}

function problems(description: string): object {
  return { description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Problems' } } } }
}

function json(description: string): object {
  return { description, content: { 'application/json': {} } }
}

function text(description: string): object {
  return { description, content: { 'text/plain': {} } }
}

function schemaOf(schema: z.ZodMiniType): Record<string, unknown> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>
  return rest
}
