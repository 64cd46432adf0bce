// Where hostnames of listeners and routes meet.

import { servedHosts } from '../table/hostname.ts'

/** Whether two lists of hostnames take a host in common. An empty list takes any. */
export function listsMeet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === 0 || other.length === 0 || servedHosts(one, other).length > 0
}

/** A route's hostnames as a listener serves them: the narrower of each two that meet. */
export function meetingHosts(listener: string | undefined, hostnames: readonly string[]): readonly string[] {
  const served = servedHosts(listener === undefined ? [] : [listener], hostnames)
  return served === 'any' ? (listener === undefined ? [] : [listener]) : served
}
