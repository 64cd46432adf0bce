// `grpc-timeout`: how long a gRPC client waits for its call, as the field says it (gRPC over HTTP2, "Requests":
// Timeout -> "grpc-timeout" TimeoutValue TimeoutUnit).

/**
 * Milliseconds, with a fraction for the small units. Undefined when absent or malformed: at most eight digits and one of
 * `H M S m u n`. 0 is a deadline that has passed.
 */
export function readGrpcTimeout(value: string | undefined): number | undefined {
  const parts = value === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(value)
  return parts === null ? undefined : Number(parts[1]) * unitMs[parts[2] as keyof typeof unitMs]
}

/**
 * In milliseconds, or the next larger unit in which the time fits eight digits; rounded up to a whole one and never 0, so
 * that no endpoint is told of less time than there is.
 */
export function formatGrpcTimeout(ms: number): string {
  for (const unit of ['m', 'S', 'M'] as const) {
    const count = Math.max(1, Math.ceil(ms / unitMs[unit]))
    if (count <= MOST) return `${count}${unit}`
  }
  return `${Math.min(MOST, Math.ceil(ms / unitMs.H))}H`
}

const unitMs = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 } as const
/** Eight digits. */
const MOST = 99_999_999
