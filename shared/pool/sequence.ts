// Smooth weighted round robin as a sequence made once: one counter then walks it, and no state is shared but the turn.

/**
 * The order in which indexes of `weights` take their turns: each as often as its weight says, and spread out as nginx
 * spreads them (1.3.1, ngx_http_upstream_round_robin.c): every turn each gains its weight, the greatest wins and pays the
 * sum of all. Weights 5, 1, 1 give 0 0 1 0 2 0 0, not 0 0 0 0 0 1 2.
 *
 * Whole weights are divided by their greatest common divisor. Where the sum is above `longest`, or weights are not
 * whole, they are scaled to it by largest remainder, each getting one turn at least; more indexes than `longest` make
 * one turn each.
 */
export function smoothSequence(weights: Float64Array, longest = 8_192): Int32Array {
  const turns = turnsOf(weights, longest)
  const length = turns.reduce((sum, count) => sum + count, 0)
  const gained = new Float64Array(weights.length)
  const sequence = new Int32Array(length)
  for (let turn = 0; turn < length; turn++) {
    let best = 0
    for (let index = 0; index < turns.length; index++) {
      gained[index]! += turns[index]!
      if (gained[index]! > gained[best]!) best = index
    }
    gained[best]! -= length
    sequence[turn] = best
  }
  return sequence
}

function turnsOf(weights: Float64Array, longest: number): Int32Array {
  const sum = weights.reduce((total, weight) => total + weight, 0)
  if (weights.every(Number.isInteger)) {
    const divisor = weights.reduce(greatestCommonDivisor, 0)
    if (sum / divisor <= longest) return Int32Array.from(weights, weight => weight / divisor)
  }
  const length = Math.max(longest, weights.length)
  const quotas = weights.map(weight => (weight * length) / sum)
  const turns = Int32Array.from(quotas, quota => Math.max(1, Math.floor(quota)))
  let left = length - turns.reduce((total, count) => total + count, 0)
  const byRemainder = Array.from(quotas.keys()).sort((a, b) => quotas[b]! - turns[b]! - (quotas[a]! - turns[a]!))
  // Too few: one more to those who lost most by rounding. Too many, since everyone got one: one less, again and again,
  // to those who gained most and can spare it.
  for (let at = 0; left > 0; at = (at + 1) % byRemainder.length) {
    turns[byRemainder[at]!]! += 1
    left -= 1
  }
  for (let at = byRemainder.length - 1; left < 0; at = at === 0 ? byRemainder.length - 1 : at - 1) {
    if (turns[byRemainder[at]!]! === 1) continue
    turns[byRemainder[at]!]! -= 1
    left += 1
  }
  return turns
}

function greatestCommonDivisor(a: number, b: number): number {
  let [greater, smaller] = [a, b]
  while (smaller !== 0) [greater, smaller] = [smaller, greater % smaller]
  return greater
}
