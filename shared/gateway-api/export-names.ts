// Names of a config as objects of a cluster: the other way round of `configName`.

export interface ObjectName {
  readonly namespace: string
  readonly name: string
}

/** `app` is `default/app`, `shop:app` is `shop/app`; what is behind a second colon says the kind and is no part of it. */
export function routeObject(name: string): ObjectName {
  const [first, second] = name.split(':')
  return second === undefined ? named('default', first!) : named(first!, second)
}

/** `web:https` is the listener https of `default/web`, `infra:web:https` that of `infra/web`. */
export function listenerObject(name: string): ObjectName & { readonly section: string } {
  const parts = name.split(':')
  if (parts.length === 1) return { ...named('default', 'fourseven'), section: label(name) }
  if (parts.length === 2) return { ...named('default', parts[0]!), section: label(parts[1]!) }
  return { ...named(parts[0]!, parts[1]!), section: label(parts.slice(2).join('-')) }
}

/** `cart:8080` is port 8080 of `default/cart`, `shop:cart:8080:h2c` of `shop/cart`; a pool by another name is at port 80. */
export function serviceObject(name: string): ObjectName & { readonly port: number } {
  const [, namespace, service, port] = /^(?:([^:]+):)?([^:]+):(\d{1,5})(?::.*)?$/.exec(name) ?? []
  if (service === undefined) return { ...named('default', name.replaceAll(':', '-')), port: 80 }
  return { ...named(namespace ?? 'default', service), port: Number(port) }
}

function named(namespace: string, name: string): ObjectName {
  return { namespace: label(namespace), name: label(name) }
}

/** Kubernetes takes lower case, digits, dashes and dots. */
function label(text: string): string {
  return (
    text
      .toLowerCase()
      .replace(/[^a-z0-9.-]+/g, '-')
      .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '') || 'x'
  )
}
