// The bound Worker. It sees the URL as the client wrote it, host and all: no network endpoint does.

export default {
  fetch(request: Request): Response {
    return Response.json({ worker: 'shop', url: request.url, via: request.headers.get('x-fourseven-route') })
  },
}
