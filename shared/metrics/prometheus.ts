// The Prometheus text format, version 0.0.4: what a scrape reads. Written on demand from numbers that stand elsewhere.

export type MetricType = 'counter' | 'gauge' | 'histogram'

/** Labels by name, in the order in which they are written. */
export type Labels = Readonly<Record<string, string>>

/** `# HELP` and `# TYPE`, which stand once in front of all samples of a name. */
export function familyHead(name: string, type: MetricType, help: string): string {
  return `# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}\n# TYPE ${name} ${type}\n`
}

/** `name{label="value"} 1` and the end of the line. Values are escaped; a label without a value is left out. */
export function sampleLine(name: string, labels: Labels, value: number): string {
  let text = ''
  for (const label of Object.keys(labels)) {
    const said = labels[label]!
    if (said !== '') text += `${text === '' ? '' : ','}${label}="${escapeLabel(said)}"`
  }
  return `${name}${text === '' ? '' : `{${text}}`} ${numberText(value)}\n`
}

/** The lines of one histogram: its buckets, counted up, the sum and the count. */
export function histogramLines(
  name: string,
  labels: Labels,
  bounds: readonly number[],
  counts: ArrayLike<number>,
  sum: number,
): string {
  let text = ''
  let total = 0
  for (let bucket = 0; bucket <= bounds.length; bucket++) {
    total += counts[bucket] ?? 0
    const le = bucket === bounds.length ? '+Inf' : String(bounds[bucket])
    text += sampleLine(`${name}_bucket`, { ...labels, le }, total)
  }
  return text + sampleLine(`${name}_sum`, labels, sum) + sampleLine(`${name}_count`, labels, total)
}

function escapeLabel(value: string): string {
  return plain.test(value) ? value : value.replace(/[\\"\n]/g, found => (found === '\n' ? '\\n' : `\\${found}`))
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

const plain = /^[^\\"\n]*$/
