// How objects of a cluster are called in a config, and back: `app` of the namespace default is `app`, `app` of shop is
// `shop:app`; no Kubernetes name holds a colon.

import { hash32 } from '../pool/hash.ts'

/** At most 63 characters, as names of a config are: what is longer ends in a hash of the whole. */
export function configName(namespace: string, ...parts: readonly (string | number)[]): string {
  const whole = [...(namespace === 'default' ? [] : [namespace]), ...parts].join(':')
  return whole.length <= 63 ? whole : `${whole.slice(0, 54)}-${hash32(whole).toString(36).padStart(7, '0')}`
}

/** The name, or the name and the next free number behind it. */
export function freeName(name: string, isTaken: (name: string) => boolean): string {
  if (!isTaken(name)) return name
  for (let number = 2; ; number++) {
    const next = `${name.slice(0, 58)}:${number}`
    if (!isTaken(next)) return next
  }
}
