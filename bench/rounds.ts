// Rounds in which every side takes its turn, so that a busy moment of the machine hits all of them; medians at the end.

export interface BenchRow {
  readonly case: string
  readonly ours: number
  readonly peer: string
  readonly theirs: number
  readonly unit: string
  /** Above 1: ours is better. */
  readonly ratio: number
  /** The same by CPU time of the process that does the work, where that differs from the clock. */
  readonly cpuRatio?: number
  readonly wanted?: string
}

export interface BenchReport {
  readonly bench: string
  readonly rows: readonly BenchRow[]
}

export interface Side<Input> {
  readonly name: string
  /** Does its work once for each input. */
  run(inputs: readonly Input[]): void
}

export interface SideTimes {
  /** Nanoseconds an input: medians over the rounds. */
  readonly wallNs: number
  readonly cpuNs: number
}

/**
 * Times every side in every round, the order turning from round to round. A round goes through all inputs in batches;
 * `fresh` makes the inputs of a batch anew just before and is not timed, so that they are as hot as what was just read
 * off a socket and nothing about them is computed yet.
 */
export function interleave<Input>(
  sides: readonly Side<Input>[],
  inputs: readonly Input[],
  rounds: number,
  fresh: (input: Input) => Input,
): Map<string, SideTimes> {
  const wall = new Map(sides.map(side => [side.name, [] as number[]]))
  const cpu = new Map(sides.map(side => [side.name, [] as number[]]))
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < sides.length; i++) {
      const side = sides[(i + round + 1) % sides.length]!
      let elapsed = 0n
      let used = 0
      for (let from = 0; from < inputs.length; from += BATCH) {
        const batch = inputs.slice(from, from + BATCH).map(fresh)
        const cpuStart = process.cpuUsage()
        const start = process.hrtime.bigint()
        side.run(batch)
        elapsed += process.hrtime.bigint() - start
        const cpuEnd = process.cpuUsage(cpuStart)
        used += cpuEnd.user + cpuEnd.system
      }
      // Round -1 warms up.
      if (round < 0) continue
      wall.get(side.name)!.push(Number(elapsed) / inputs.length)
      cpu.get(side.name)!.push((used * 1000) / inputs.length)
    }
  }
  return new Map(sides.map(({ name }) => [name, { wallNs: median(wall.get(name)!), cpuNs: median(cpu.get(name)!) }]))
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const BATCH = 500
