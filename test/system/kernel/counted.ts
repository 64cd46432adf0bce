// Numbers out of what `/metrics` says.

/** The sum over all labels. */
export function counted(metrics: string, name: string): number {
  const rows = metrics.matchAll(new RegExp(`^${name}\\{.*\\} (\\S+)$`, 'gm'))
  return [...rows].reduce((sum, [, value]) => sum + Number(value), 0)
}
