// What no case reaches: rules, the matches of rules that have several, and the variants of rules that have several.

import type { Config, FlowRule, HttpRule } from '../shared/config/parsed.ts'
import type { Outcome } from './prove.ts'

export interface Coverage {
  /** Of all parts, 0 to 100, rounded down: 100 says that nothing is left out. */
  readonly percent: number
  readonly rules: Count
  readonly matches: Count
  readonly variants: Count
  readonly unreached: readonly Part[]
}

export interface Count {
  readonly reached: number
  readonly of: number
}

export interface Part {
  readonly kind: 'rule' | 'match' | 'variant'
  /** `app/api`, `app/api match 1`, `app/all variant canary`. */
  readonly name: string
  /** Where it stands: `routes[0].rules[1]`. */
  readonly path: string
}

export function coverageOf(config: Config, reached: readonly Outcome[]): Coverage {
  const met = new Set(reached.flatMap(keysOf))
  const parts = config.routes.flatMap(route =>
    route.rules.flatMap((rule: HttpRule | FlowRule) => partsOf(route.name, rule)),
  )
  const count = (kind: Part['kind']): Count => {
    const mine = parts.filter(([part]) => part.kind === kind)
    return { reached: mine.filter(([, key]) => met.has(key)).length, of: mine.length }
  }
  const unreached = parts.flatMap(([part, key]) => (met.has(key) ? [] : [part]))
  return {
    percent: parts.length === 0 ? 100 : Math.floor((100 * (parts.length - unreached.length)) / parts.length),
    rules: count('rule'),
    matches: count('match'),
    variants: count('variant'),
    unreached,
  }
}

/** One match or one variant is its rule; a variant of weight 0 is not there to be reached. */
function partsOf(route: string, rule: HttpRule | FlowRule): [part: Part, key: string][] {
  const name = `${route}/${rule.name}`
  const { path } = rule
  const variants = variantsOf(rule)
  const matches = rule.matches.length < 2 ? [] : rule.matches.map((_, index) => index)
  return [
    [{ kind: 'rule', name, path }, path],
    ...matches.map((index): [Part, string] => [
      { kind: 'match', name: `${name} match ${index}`, path: `${path}.match[${index}]` },
      `${path} match ${index}`,
    ]),
    ...(variants.length < 2 ? [] : variants).flatMap(({ name: variant, weight }, index): [Part, string][] =>
      weight === 0
        ? []
        : [
            [
              { kind: 'variant', name: `${name} variant ${variant}`, path: `${path}.variants[${index}]` },
              `${path} variant ${variant}`,
            ],
          ],
    ),
  ]
}

function variantsOf(rule: HttpRule | FlowRule): readonly { readonly name: string; readonly weight: number }[] {
  if ('variants' in rule) return rule.variants
  return rule.action.do === 'forward' ? rule.action.variants : []
}

function keysOf({ serves, got }: Outcome): string[] {
  if (serves === undefined) return []
  const { path, match } = serves
  return [path, `${path} match ${match}`, ...(got.variant === undefined ? [] : [`${path} variant ${got.variant}`])]
}
