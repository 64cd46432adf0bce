// Whether two hosts are of one zone, as far as names can tell: at the edge an endpoint may be called by another name
// only inside the Worker's own zone.

import { type EndpointAddress, isIpLiteral } from './endpoint-address.ts'

/** Whether a Worker can ask this endpoint by another host than its own. A binding takes any. */
export function mayBeCalled(address: EndpointAddress, host: string): boolean {
  return address.scheme === 'binding' || sharesZone(address.host, host)
}

/**
 * Both end in the same registrable name: the last two labels, the last three where the second is a short one under a
 * country (`co.uk`), and never a name under which strangers have theirs (`workers.dev`). A guess without the Public
 * Suffix List, on the safe side of it where it can be.
 */
export function sharesZone(one: string, other: string): boolean {
  if (isIpLiteral(one) || isIpLiteral(other)) return false
  const zone = zoneOf(one)
  return zone !== undefined && zone === zoneOf(other)
}

function zoneOf(host: string): string | undefined {
  const labels = host.split('.')
  const [second = '', last = ''] = labels.slice(-2)
  if (labels.length < 2 || last === 'localhost') return undefined
  const isUnderCountry = last.length === 2 && (second.length <= 2 || secondLevels.has(second))
  const zone = labels.slice(isUnderCountry ? -3 : -2).join('.')
  return (isUnderCountry && labels.length < 3) || sharedNames.has(zone) ? undefined : zone
}

const secondLevels: ReadonlySet<string> = new Set([
  'com',
  'net',
  'org',
  'gov',
  'edu',
  'mil',
  'gob',
  'nom',
  'ltd',
  'plc',
])
/** Each of these belongs to a host of other people's sites (private part of the Public Suffix List). */
const sharedNames: ReadonlySet<string> = new Set([
  'workers.dev',
  'pages.dev',
  'r2.dev',
  'github.io',
  'gitlab.io',
  'herokuapp.com',
  'vercel.app',
  'netlify.app',
  'onrender.com',
  'fly.dev',
  'web.app',
  'run.app',
  'amazonaws.com',
  'cloudfront.net',
  'azurewebsites.net',
  'windows.net',
  'trycloudflare.com',
  'ngrok.io',
])
