// What was made of the manifests, judged as any config is: what this config cannot say (a regex that can run away, a name
// with characters that are not taken here) is told where it stands in the manifests, and its rule is left out.

import type { ConfigInput } from '../config/config.ts'
import { parse } from '../config/parse.ts'
import { ConfigError, type Problem } from '../config/problem.ts'
import type { Note, Notes, Spot } from './notes.ts'
import type { MadeRoute } from './routes.ts'

/** The routes that can be kept. Rules that `parse` refuses are noted and left out, and routes without rules with them. */
export function keepSound(
  config: Omit<ConfigInput, 'routes'>,
  routes: readonly MadeRoute[],
  whole: Spot,
  notes: Notes,
): readonly MadeRoute[] {
  let kept = routes
  for (let round = 0; round < ROUNDS; round++) {
    const problems = problemsOf({ ...config, routes: kept.map(({ route }) => route) })
    if (problems.length === 0) return kept
    const bad = new Set<string>()
    for (const problem of problems) {
      const [, route, rule] = /^routes\[(\d+)\](?:\.rules\[(\d+)\])?/.exec(problem.path) ?? []
      const made = route === undefined ? undefined : kept[Number(route)]
      const spot = made?.spots[Number(rule ?? 0)]
      if (spot === undefined) {
        notes.add('error', problem.code, whole, `${problem.path}: ${problem.message}`, problem.mend)
        continue
      }
      const message = `${problem.message}: the rule is left out`
      notes.add('not-carried', problem.code, spot, message, problem.mend)
      bad.add(rule === undefined ? `${route}` : `${route}.${rule}`)
    }
    if (bad.size === 0) return kept
    kept = kept.flatMap(({ route, spots }, index) => {
      const isKept = (place: number) => !bad.has(`${index}`) && !bad.has(`${index}.${place}`)
      const rules = route.rules.filter((_, place) => isKept(place))
      return rules.length === 0
        ? []
        : [{ route: { ...route, rules } as MadeRoute['route'], spots: spots.filter((_, place) => isKept(place)) }]
    })
  }
  return kept
}

function problemsOf(config: ConfigInput): readonly Problem[] {
  try {
    parse(config)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.filter(({ severity }) => severity === 'error')
  }
}

/** Faults first, then the others, each in the order in which they were found. */
export function inOrder(notes: readonly Note[]): readonly Note[] {
  const order = ['error', 'not-carried', 'warning', 'ignored']
  return [...notes].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
}

/** One is enough unless a rule that goes takes another's ground away. */
const ROUNDS = 5
