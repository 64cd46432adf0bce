// "Did you mean": the nearest of some known names.

/** The known name that `text` was most likely meant to be: at most a third of it typed wrong; undefined when none is near. */
export function nearest(text: string, known: Iterable<string>): string | undefined {
  if (text.length > LONGEST) return undefined
  let best: string | undefined
  let fewest = Math.max(1, Math.floor(text.length / 3)) + 1
  for (const name of known) {
    if (name.length > LONGEST || Math.abs(name.length - text.length) >= fewest) continue
    const slips = distance(text.toLowerCase(), name.toLowerCase())
    if (slips < fewest && slips < name.length) {
      best = name
      fewest = slips
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours (Damerau 1964; optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      row[j] = Math.min(replaced, above[j]! + 1, row[j - 1]! + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    before = above
    above = row
  }
  return above[b.length]!
}

const LONGEST = 64
