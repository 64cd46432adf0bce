// `fourseven weight`: other weights for a split without a deploy, and what that moves.

import type { Command } from 'commander'
import type { Overlay } from '../shared/overlay/overlay.ts'
import { type SplitStatus, type Status, shareText, statusOf } from '../shared/overlay/status.ts'
import { deal, leastMoves, movedSlots, SLOT_COUNT } from '../shared/table/slots.ts'
import {
  addWriteOptions,
  askEdge,
  changeAtEdge,
  changeWords,
  type Refusal,
  sayMade,
  sayRefusal,
  type WriteOptions,
} from './ask-edge.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { paint } from './paint.ts'
import {
  addRelayConfigOptions,
  declaredSplit,
  type RelayConfigOptions,
  type RelayNames,
  readRelayNames,
} from './relay-base.ts'
import { guarded } from './run.ts'

interface WeightOptions extends WriteOptions, RelayConfigOptions {
  readonly release?: true
  readonly dryRun?: true
}

export function addWeight(program: Command, answer: (exitCode: number) => void): void {
  const weight = program
    .command('weight')
    .description('Give the variants of a split other weights, everywhere within 5 s.')
    .argument('<split>', 'the name of the split: that of its route and rule unless the config gives it one')
    .argument('<name=weight...>', 'every variant with its weight, a whole number')
  addRelayConfigOptions(addWriteOptions(weight))
    .option('--release', 'users who keep the variant they had first (pin: "first") are dealt anew')
    .option('--dry-run', 'change nothing; say what it would move')
    .addHelpText('after', EXAMPLES)
    .action((split: string, words: readonly string[], options: WeightOptions, command: Command) => {
      const weights = readWeights(words, command)
      return guarded(options, answer, () => weigh(split, weights, options))
    })
}

function readWeights(words: readonly string[], command: Command): Readonly<Record<string, number>> {
  const weights: Record<string, number> = {}
  for (const word of words) {
    const [, name, weight] = /^([^=]+)=(\d{1,7})$/.exec(word) ?? []
    if (name === undefined) command.error(`error: "${word}" is no weight: write it as canary=10`)
    else if (Object.hasOwn(weights, name)) command.error(`error: "${name}" has two weights`)
    else weights[name] = Number(weight)
  }
  return weights
}

async function weigh(
  split: string,
  weights: Readonly<Record<string, number>>,
  options: WeightOptions,
): Promise<number> {
  const asJson = options.json === true
  const refused = (refusal: Refusal) => {
    sayRefusal(refusal, asJson)
    return EXIT.problems
  }
  const names = await readRelayNames(options)
  if (names !== undefined && 'problems' in names) return refused(names)
  const declared = names === undefined ? undefined : declaredSplit(names, split)
  if (declared !== undefined && 'problems' in declared) return refused(declared)
  const status = names === undefined ? ((await askEdge(options, 'status')) as Status) : await statusAt(names, options)
  const before = status.splits.find(each => each.split === split)
  const release = options.release === true
  if (options.dryRun === true) return foresee(status, before, split, weights, options)
  const command = {
    do: 'weight',
    split,
    weights,
    ...(release ? { release } : {}),
    ...(declared === undefined ? {} : { declared }),
  } as const
  const made = await changeAtEdge(options, command)
  if ('problems' in made) return refused(made)
  sayMade(made, changeWords(command), asJson)
  if (!asJson && made.moved !== undefined) sayMoved(made.moved, before, release)
  return EXIT.ok
}

/** What holds at a relay with this config, as far as the edge's overlay says. */
async function statusAt({ table }: RelayNames, options: WeightOptions): Promise<Status> {
  const { overlay, at } = (await askEdge(options, 'overlay')) as { readonly overlay: Overlay; readonly at: number }
  return statusOf(table, overlay, at)
}

function foresee(
  { version, splits }: Status,
  before: SplitStatus | undefined,
  split: string,
  weights: Readonly<Record<string, number>>,
  { json, release }: WeightOptions,
): number {
  const refuse = (message: string, mend: string) => {
    const problem = { severity: 'error', code: 'bad-weight', path: '', message, mend } as const
    sayRefusal({ problems: [problem] }, json === true)
    return EXIT.problems
  }
  if (before === undefined) {
    const names = splits.map(each => each.split).join(', ')
    return refuse(`no split is named "${split}"`, names === '' ? 'The config has no split.' : `There is ${names}.`)
  }
  const names = before.variants.map(({ name }) => name)
  const given = Object.keys(weights)
  const all = `The variants are ${names.join(', ')}.`
  const foreign = given.find(name => !names.includes(name))
  if (foreign !== undefined) return refuse(`the split has no variant "${foreign}"`, all)
  const missing = names.find(name => !Object.hasOwn(weights, name))
  if (missing !== undefined) return refuse(`the variant "${missing}" has no weight`, `Name all. ${all}`)
  const wanted = names.map(name => weights[name]!)
  if (wanted.every(weight => weight === 0)) return refuse('every variant has weight 0', 'Give one of them a weight.')
  const moved = { slots: movedSlots(before.slots, deal(before.slots, wanted)), least: leastMoves(before.slots, wanted) }
  if (json === true) console.log(JSON.stringify({ ok: true, isDry: true, version, moved }, null, 2))
  else {
    console.log(`nothing was changed; over version ${version} it would be:`)
    sayMoved(moved, before, release === true)
  }
  return EXIT.ok
}

function sayMoved(
  { slots, least }: { readonly slots: number; readonly least: number },
  split: SplitStatus | undefined,
  release: boolean,
): void {
  const least100 = slots === least ? 'the least that any deal could' : `the least would be ${shareText(least)}`
  console.log(`moves ${shareText(slots)} of users (${slots} of ${SLOT_COUNT} slots): ${least100}`)
  if (split === undefined) return
  if (split.pin === 'weight') console.log('nobody is pinned: users follow the weights')
  else if (release) console.log('released: whoever kept a variant is dealt anew with the next request')
  else {
    console.log(
      paint(
        'yellow',
        `pinned: whoever has a variant of epoch ${split.epoch} keeps it, so the weights count for new users`,
      ),
    )
    console.log('  --release deals them anew too')
  }
}

const EXAMPLES = `
Examples:
  fourseven weight app stable=90 canary=10 --reason "canary looks good"
  fourseven weight app stable=75 canary=25 --dry-run
  fourseven weight app stable=100 canary=0 --release --edge https://www.example.com
  fourseven weight app stable=90 canary=10 --if-version 12 --json
  fourseven weight db main=9 copy=1 --config relay.yaml   a split of a relay that follows this edge

All variants are named, so that a change says what holds afterwards. FOURSEVEN_OPERATOR_TOKEN opens the edge.

${EXIT_CODES}`
