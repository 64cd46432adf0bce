// The `fourseven` command: reads the arguments and hands over to one file per subcommand. Each answers with an exit code.

import { Command, CommanderError } from 'commander'
import { addCheck } from './check.ts'
import { addDemo } from './demo-command.ts'
import { addDev } from './dev.ts'
import { addDrain, addEject, addPurge, addUndrain } from './endpoint-commands.ts'
import { EXIT, EXIT_CODES } from './exit.ts'
import { addExplain } from './explain.ts'
import { addExport } from './export.ts'
import { addHistory, addUndo } from './history.ts'
import { addImport } from './import.ts'
import { addKernel } from './kernel.ts'
import packageJson from './package.json' with { type: 'json' }
import { addProbe } from './probe.ts'
import { addRelay } from './relay.ts'
import { addReload } from './reload.ts'
import { addStatus } from './status.ts'
import { addTop } from './top.ts'
import { addWeight } from './weight.ts'

async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('fourseven')
    .description('Load balancing at both layers from one route file.')
    .version(packageJson.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', `\n${EXIT_CODES}`)
    .exitOverride()
    .showHelpAfterError('(--help shows what can be said)')
  let code: number = EXIT.ok
  const answer = (exitCode: number) => {
    code = exitCode
  }
  for (const add of [
    addCheck,
    addExplain,
    addKernel,
    addDev,
    addDemo,
    addProbe,
    addRelay,
    addReload,
    addTop,
    addStatus,
    addWeight,
    addDrain,
    addUndrain,
    addEject,
    addHistory,
    addUndo,
    addPurge,
    addImport,
    addExport,
  ])
    add(program, answer)
  try {
    await program.parseAsync(argv)
    return code
  } catch (error) {
    // Commander has said what is wrong by now; its own exits with 0 are help and version.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    throw error
  }
}

// Whoever reads this has read enough, as in `fourseven explain … | head`. A relay goes on: see relay-report.ts.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  process.exit(EXIT.ok)
})
process.exitCode = await main(process.argv)
