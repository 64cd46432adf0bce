// Lines to copy that show what the shipped routes do: host, path, the canary, headers, TCP, TLS.

import { type Place, placeText } from './ask.ts'
import { SECURE } from './demo-flows.ts'

export interface CurlLine {
  readonly shows: string
  readonly line: string
}

/** @param listeners the relay's, by name */
export function curlLines(edge: Place, listeners: ReadonlyMap<string, Place>): CurlLine[] {
  // Named by address, so that it works where *.localhost has no address.
  const url = `http://${placeText(edge)}`
  const app = "-H 'Host: app.localhost'"
  return [
    { shows: 'host: the app (nine times in ten the stable one)', line: `curl ${app} ${url}/` },
    { shows: 'host: the api, by its own name', line: `curl -H 'Host: api.localhost' ${url}/` },
    { shows: 'path: /api and all below, /v1 in its place', line: `curl ${app} ${url}/api/orders` },
    { shows: 'canary by cookie', line: `curl ${app} -b canary=always ${url}/` },
    { shows: 'canary by header', line: `curl ${app} -H 'x-canary: always' ${url}/` },
    { shows: 'headers added towards the client (x-served-by, fs_id)', line: `curl -sI ${app} ${url}/` },
    { shows: 'headers added towards the endpoint', line: `curl -s ${app} ${url}/ | grep '"x-'` },
    { shows: 'a redirect', line: `curl -si ${app} '${url}/docs/start?v=2'` },
    { shows: 'a fixed reply', line: `curl ${app} ${url}/healthz` },
    { shows: 'an error page of our own', line: `curl -H 'Host: nobody.localhost' ${url}/` },
    {
      shows: 'CORS: what a browser asks before a page of the app may post to the api',
      line: `curl -si -X OPTIONS -H 'Host: api.localhost' -H 'Origin: http://app.localhost:8787' -H 'Access-Control-Request-Method: POST' ${url}/`,
    },
    ...flowLines(listeners),
  ]
}

function flowLines(listeners: ReadonlyMap<string, Place>): CurlLine[] {
  const [echo, who, secure] = ['echo', 'who', 'secure'].map(name => listeners.get(name))
  if (echo === undefined || who === undefined || secure === undefined) return []
  return [
    { shows: 'TCP, echoed', line: `echo hello | nc -q 1 ${echo.host} ${echo.port}` },
    {
      shows: 'TCP, and the endpoint knows the client by a PROXY header',
      line: `nc -q 1 ${who.host} ${who.port} </dev/null`,
    },
    {
      shows: 'TLS by server name, passed through (-k: the certificate was made at the start)',
      line: `curl -kv --connect-to ::${placeText(secure)} https://${SECURE}/`,
    },
  ]
}
