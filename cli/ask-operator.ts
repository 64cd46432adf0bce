// Asks the operator's port of a running relay.

import http from 'node:http'
import { type Place, placeText } from './ask.ts'
import { CannotRun } from './exit.ts'

export interface OperatorAnswer {
  readonly status: number
  readonly text: string
}

/** Throws CannotRun when nobody answers there. */
export function askOperator(
  place: Place,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
): Promise<OperatorAnswer> {
  const token = process.env.FOURSEVEN_OPERATOR_TOKEN
  const text = body === undefined ? '' : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => {
      const mend = 'Start it with --operator, and name the same HOST:PORT.'
      reject(new CannotRun(`no relay answers at ${placeText(place)}: ${error.message}`, mend))
    }
    const request = http.request(
      {
        host: place.host,
        port: place.port,
        method,
        path,
        timeout: longestMs,
        headers: {
          'content-length': Buffer.byteLength(text),
          ...(token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }),
        },
      },
      response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('error', failed)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', failed)
    request.end(text)
  })
}

/** The answer as JSON. Throws CannotRun for a status other than 200 and those that `expected` names. */
export async function askOperatorJson<Answer>(
  place: Place,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  expected: readonly number[] = [],
): Promise<Answer> {
  const { status, text } = await askOperator(place, method, path, body)
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new CannotRun(`${placeText(place)} is not the operator's port of a relay`, 'Look at the port.')
  }
  if (status === 200 || expected.includes(status)) return answer as Answer
  const said = (answer as { error?: unknown }).error ?? `status ${status}`
  throw new CannotRun(`the relay at ${placeText(place)} refused: ${said}`, 'Look at what it says.')
}

const longestMs = 90_000
