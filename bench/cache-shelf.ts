// What answers the Cache API in raw workerd: a Map. The least that can stand there, so that what is measured is the Worker
// in front of it. GET asks, PUT brings an HTTP/1.1 answer as bytes.

const shelf = new Map<string, { readonly headers: Headers; readonly body: ArrayBuffer }>()

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method === 'PUT') {
      const bytes = new Uint8Array(await request.arrayBuffer())
      const text = new TextDecoder('latin1').decode(bytes)
      const end = text.indexOf('\r\n\r\n')
      const headers = new Headers()
      for (const line of text.slice(0, end).split('\r\n').slice(1)) {
        const colon = line.indexOf(':')
        headers.append(line.slice(0, colon), line.slice(colon + 1).trim())
      }
      headers.set('cf-cache-status', 'HIT')
      shelf.set(request.url, { headers, body: bytes.slice(end + 4).buffer })
      return new Response(null, { status: 204 })
    }
    const found = shelf.get(request.url)
    return found === undefined
      ? new Response(null, { status: 504 })
      : new Response(found.body, { headers: found.headers })
  },
}
