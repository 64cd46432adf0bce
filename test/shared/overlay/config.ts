// A config with splits at every kind of place, for tests of the overlay.

import type { ConfigInput } from '../../../shared/config/config.ts'
import { type Changed, type Command, change, type Report } from '../../../shared/overlay/command.ts'
import { emptyOverlay, type Overlay } from '../../../shared/overlay/overlay.ts'
import type { Table } from '../../../shared/table/table.ts'
import { tableOf } from '../../support/table.ts'

export const config = (weights: readonly [number, number] = [95, 5], address = 'http://one.test'): ConfigInput => ({
  listeners: { web: { kind: 'edge' }, postgres: { kind: 'tcp', address: '127.0.0.1:5432' } },
  pools: {
    stable: {
      endpoints: [
        { name: 'a', address },
        { name: 'b', address: 'http://two.test' },
      ],
    },
    canary: { endpoints: [{ name: 'c', address: 'http://three.test' }] },
    database: { endpoints: [{ name: 'main', address: 'tcp://main.test:5432' }] },
    replica: { endpoints: [{ name: 'copy', address: 'tcp://copy.test:5432' }] },
  },
  routes: [
    {
      name: 'app',
      listener: 'web',
      rules: [
        {
          name: 'shop',
          match: [{ path: '/shop' }, { path: { regex: '/s[0-9]+' } }, { path: { exact: '/buy' } }],
          variants: [
            { name: 'stable', pool: 'stable', weight: weights[0] },
            { name: 'canary', pool: 'canary', weight: weights[1] },
          ],
          split: { name: 'shop', pin: 'first' },
        },
        { name: 'rest', pool: 'stable' },
      ],
    },
    {
      name: 'postgres',
      listener: 'postgres',
      rules: [
        {
          variants: [
            { name: 'main', pool: 'database', weight: 1 },
            { name: 'copy', pool: 'replica', weight: 1 },
          ],
        },
      ],
    },
  ],
})

export const table = tableOf(config())

/** The overlay after these commands, one second apart. Throws when one is refused. */
export function after(
  commands: readonly (Command | Report)[],
  of: Table = table,
  from: Overlay = emptyOverlay,
): Overlay {
  return commands.reduce((overlay, command, i) => changed(overlay, command, 1_000 * (i + 1), of).overlay, from)
}

export function changed(overlay: Overlay, command: Command | Report, now = 1_000, of: Table = table): Changed {
  const made = change(of, overlay, command, now)
  if ('code' in made) throw new Error(`${made.code}: ${made.message}`)
  return made
}
