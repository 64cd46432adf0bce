// Loops: every instance that forwards a request writes its id into a list that travels with it. A request that comes
// with the id of the instance it comes to has been here before.

/** Where the list travels between instances. It is never in an answer. */
export const INSTANCES = 'x-fourseven-instances'

/**
 * Whether the request came through this instance already, or through more others than any chain has. A client that
 * writes the field itself keeps only itself out.
 *
 * @param said the field as it came
 */
export function isLoop(said: string | null, instance: string): boolean {
  if (said === null) return false
  if (said.length > longestList) return true
  const ids = said.split(',')
  if (ids.length >= mostInstances) return true
  for (const id of ids) if (id.trim() === instance) return true
  return false
}

/** The list for the next hop. */
export function withInstance(said: string | null, instance: string): string {
  return said === null || said === '' ? instance : `${said}, ${instance}`
}

const mostInstances = 16
const longestList = 512
