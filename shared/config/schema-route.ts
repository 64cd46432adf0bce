// What the schemas of HTTP and flow routes have in common.

import * as z from 'zod'
import { bounds } from './defaults.ts'
import { list, nonEmpty, oneOrMore, text, whole } from './schema-values.ts'

export const addresses = oneOrMore(z.string()).meta({ description: 'Client address in any of these CIDRs.' })

export const splitIdentity = {
  name: nonEmpty(
    "Default: the route's name, or route/rule for a named rule. Splits of one name and salt agree on every user.",
  ).exactOptional(),
  salt: text('Changes who lands where without renaming.').exactOptional(),
}

export const pool = nonEmpty('The name of a pool.')

export const variantHead = {
  name: nonEmpty('What records, metrics and force call it.'),
  weight: whole(bounds.variantWeight),
}

export const attempts = whole(bounds.attempts)

export const ruleName = { name: nonEmpty('Default: its place in the route.').exactOptional() }

export const routeName = { name: nonEmpty('What records and metrics call it.') }

export const listenerNames = oneOrMore(z.string())

export const hostnames = list(z.string()).meta({
  description: 'app.example.com or *.example.com; none means any host.',
})

/** Rules as `parse` reads them: matches and variants are parts of their own. */
export const unread = { match: z.unknown().exactOptional(), variants: z.unknown().exactOptional() }
