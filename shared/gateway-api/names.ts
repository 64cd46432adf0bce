// How objects of a cluster are called in a config, and back: `app` of the namespace default is `app`, `app` of shop is
// `shop:app`; no Kubernetes name holds a colon.

import { hash32 } from '../pool/hash.ts'

/** At most 63 characters, as names of a config are. Of a name that is longer each long part ends in a hash of it. */
export function configName(namespace: string, ...parts: readonly (string | number)[]): string {
  const all = [...(namespace === 'default' ? [] : [namespace]), ...parts.map(String)]
  const whole = all.join(':')
  if (whole.length <= 63) return whole
  const short = all.map(part => shorten(part, PART)).join(':')
  return short.length <= 63 ? short : shorten(short, 63)
}

/** The same with every long part shortened in any case: listeners of one Gateway have its name in common. */
export function listenerName(namespace: string, gateway: string, section: string): string {
  const parts = [...(namespace === 'default' ? [] : [namespace]), gateway, section]
  return parts.map(part => shorten(part, PART)).join(':')
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 8)}-${hash32(text).toString(36).padStart(7, '0')}`
}

/** Three of them make a name. */
const PART = 20

/** The name, or the name and the next free number behind it. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(name)) return name
  for (let number = 2; ; number++) {
    const next = `${name.slice(0, 58)}:${number}`
    if (!isTaken(next)) return next
  }
}
