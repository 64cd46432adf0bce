// A request that nobody sends: as it would reach the Worker, for `explain` and for the cases of a config.

export interface AskedOf {
  readonly url: URL
  readonly method: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Bytes of the body. */
  readonly data?: number | undefined
  readonly client?: string | undefined
  readonly country?: string | undefined
}

/** What the platform adds itself is in `CF-Connecting-IP` and `cf`. Throws what `Request` throws: not every method is one. */
export function askedRequest({ url, method, headers: fields, data, client, country }: AskedOf): Request {
  const headers = new Headers()
  for (const [name, value] of fields) headers.append(name, value)
  if (!headers.has('host')) headers.set('host', url.host)
  if (data !== undefined) {
    if (!headers.has('content-length')) headers.set('content-length', String(data))
    if (!headers.has('content-type')) headers.set('content-type', 'application/x-www-form-urlencoded')
  }
  if (client !== undefined) {
    headers.set('cf-connecting-ip', client)
    if (!headers.has('x-forwarded-for')) headers.set('x-forwarded-for', client)
  }
  const request = new Request(url, { method, headers })
  // workerd puts Host into the URL as it is, whatever it holds: `curl -H 'Host: …' http://127.0.0.1:8787/` can be explained
  // as it stands, and what no honest client sends is malformed here too.
  const raw = `${url.protocol}//${headers.get('host')}${url.pathname}${url.search}`
  Object.defineProperty(request, 'url', { value: raw })
  return Object.assign(request, { cf: country === undefined ? undefined : { country } })
}
