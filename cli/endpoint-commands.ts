// `fourseven drain | undrain | eject | purge`: everywhere through the edge, or at one relay alone.

import type { Command } from 'commander'
import type { PurgeOf } from '../shared/cache/purge.ts'
import type { Command as Change } from '../shared/overlay/command.ts'
import type { Place } from './ask.ts'
import { placeText } from './ask.ts'
import {
  addWriteOptions,
  changeAtEdge,
  changeWords,
  type Refusal,
  sayMade,
  sayRefusal,
  type WriteOptions,
} from './ask-edge.ts'
import { askOperatorJson } from './ask-operator.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { readDurationOption, readPlace } from './option-values.ts'
import { addRelayConfigOptions, endpointBaseOf, type RelayConfigOptions, readRelayNames } from './relay-base.ts'
import { guarded } from './run.ts'

interface EndpointOptions extends WriteOptions, RelayConfigOptions {
  readonly operator?: Place
}

export function addDrain(program: Command, answer: (exitCode: number) => void): void {
  const drain = program.command('drain').description('Send nothing new to an endpoint; what is open may finish.')
  addRelayConfigOptions(addBoth(drain, ENDPOINT))
    .addHelpText(
      'after',
      examples('drain app/a', 'drain db/one --config relay.yaml', 'drain db/one --operator 127.0.0.1:9047'),
    )
    .action((endpoint: string, options: EndpointOptions, command: Command) => {
      oneOf(options, command)
      return guarded(options, answer, () => carryOut(options, { do: 'drain', endpoint }, '/drain', { endpoint }))
    })
}

export function addUndrain(program: Command, answer: (exitCode: number) => void): void {
  addBoth(program.command('undrain').description('Take a drain back.'), ENDPOINT)
    .addHelpText('after', examples('undrain app/a', 'undrain db/one --operator 127.0.0.1:9047'))
    .action((endpoint: string, options: EndpointOptions) =>
      guarded(options, answer, () => carryOut(options, { do: 'undrain', endpoint }, '/undrain', { endpoint })),
    )
}

export function addEject(program: Command, answer: (exitCode: number) => void): void {
  const eject = program
    .command('eject')
    .description('Take an endpoint out for a while, as traffic would; panic may use it all the same.')
  addRelayConfigOptions(addWriteOptions(eject.argument(...ENDPOINT)))
    .option('--for <time>', 'how long, 1s to 24h', readDurationOption, 30_000)
    .option('--end', 'end an ejection now')
    .addHelpText('after', examples('eject app/a --for 5m --reason "slow disk"', 'eject app/a --end'))
    .action((endpoint: string, options: EndpointOptions & { readonly for: number; readonly end?: true }) => {
      const command: Change =
        options.end === true ? { do: 'uneject', endpoint } : { do: 'eject', endpoint, forMs: options.for }
      return guarded(options, answer, () => carryOut(options, command))
    })
}

export function addPurge(program: Command, answer: (exitCode: number) => void): void {
  const command = program
    .command('purge')
    .description('Forget stored answers, everywhere within 5 s.')
    .argument('<by>', 'url, prefix, route or tag')
  addBoth(command, ['<value>', 'the whole URL, the start of URLs with scheme and host, a route, or a tag'])
    .addHelpText(
      'after',
      examples(
        'purge url https://www.example.com/news',
        'purge prefix https://www.example.com/img/',
        'purge tag news --operator 127.0.0.1:9047',
      ),
    )
    .action((by: string, value: string, options: EndpointOptions) => {
      if (!isKind(by)) command.error(`error: by "${by}"? Say url, prefix, route or tag.`)
      const of = { by, [by]: value } as unknown as PurgeOf
      return guarded(options, answer, () => carryOut(options, { do: 'purge', of }, '/purge', of))
    })
}

/** Through the edge, or at the relay that is named. */
async function carryOut(options: EndpointOptions, command: Change, path = '', body: object = {}): Promise<number> {
  const { operator } = options
  const asJson = options.json === true
  if (operator !== undefined) {
    const said = await askOperatorJson<{ ok?: true; error?: string }>(operator, 'POST', path, body, [400, 404])
    if (asJson) console.log(JSON.stringify(said, null, 2))
    if (said.error !== undefined) {
      if (!asJson) console.error(`refused: ${said.error}`)
      return EXIT.problems
    }
    if (!asJson) console.log(`${changeWords(command)}: at the relay ${placeText(operator)} alone`)
    return EXIT.ok
  }
  const whole = await withBase(options, command)
  const made = 'problems' in whole ? whole : await changeAtEdge(options, whole)
  if ('problems' in made) {
    sayRefusal(made, asJson)
    return EXIT.problems
  }
  sayMade(made, changeWords(command), asJson)
  return EXIT.ok
}

/** Of an endpoint in a relay's config with what the edge cannot know of it. Taking something back needs only the name. */
async function withBase(options: EndpointOptions, command: Change): Promise<Change | Refusal> {
  if (command.do !== 'drain' && command.do !== 'eject') return command
  const names = await readRelayNames(options)
  if (names === undefined || 'problems' in names) return names ?? command
  const base = endpointBaseOf(names, command.endpoint)
  return typeof base === 'string' ? { ...command, base } : base
}

/** A relay that is asked itself knows its own config. */
function oneOf({ config, operator }: EndpointOptions, command: Command): void {
  if (config !== undefined && operator !== undefined) command.error('error: name --config or --operator')
}

function addBoth(command: Command, argument: readonly [string, string]): Command {
  return addWriteOptions(command.argument(...argument)).option(
    '--operator <host:port>',
    'at this relay alone, by its operator port',
    readPlace,
  )
}

function isKind(text: string): text is PurgeOf['by'] {
  return ['url', 'prefix', 'route', 'tag'].includes(text)
}

function examples(...lines: readonly string[]): string {
  return `
Examples:
${lines.map(line => `  fourseven ${line}`).join('\n')}

FOURSEVEN_OPERATOR_TOKEN opens the edge, and the relay when it has one.

${EXIT_CODES}`
}

const ENDPOINT = ['<endpoint>', 'pool/name, as status shows it'] as const
