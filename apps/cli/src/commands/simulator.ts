import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'

import { Command } from '@commander-js/extra-typings'
import type { Script, Simulator } from '@lhspn/apns-simulator'

import type { Context, Run } from '../context.ts'
import { type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'
import { formatCount } from '../output.ts'

/** `lhspn simulator`: a provider API, a gateway and a feedback service to send against, until a signal ends it. */
export function simulatorCommand(run: Run) {
  const command = new Command('simulator')
    .option('--provider-port <N>', 'port of the provider API on 127.0.0.1 (default: a free one)')
    .option('--gateway-port <N>', 'port of the binary gateway (default: a free one)')
    .option('--feedback-port <N>', 'port of the feedback service (default: a free one)')
    .option('--script <FILE>', 'JSON that says what to answer to what; - is stdin')
    .option('--seed <N>', 'whole number that all chances of the script are drawn from (default: 0)')
    .option('--directory <DIR>', 'where key, certificates and lhspn.toml go, to stay (default: a temporary one)')
    .action((options) => run((context) => simulate(options, context)))
  showExamples(command, [
    ['lhspn simulator', 'takes every notification; prints how to send to it'],
    ['lhspn simulator --script faults.json --seed 7', 'with faults, the same at every start'],
    ['lhspn simulator --provider-port 8443 --directory apple', 'at a fixed port, with files that stay'],
  ])
  return command
}

interface SimulatorFlags {
  readonly providerPort?: string | undefined
  readonly gatewayPort?: string | undefined
  readonly feedbackPort?: string | undefined
  readonly script?: string | undefined
  readonly seed?: string | undefined
  readonly directory?: string | undefined
}

async function simulate(flags: SimulatorFlags, context: Context): Promise<ExitCode> {
  const { startSimulator } = await import('@lhspn/apns-simulator')
  const { checkDirectory, writeInstallation } = await import('../simulated-installation.ts')
  const faults: InputFault[] = []
  const providerPort = readWhole('--provider-port', flags.providerPort, 65_535, faults)
  const gatewayPort = readWhole('--gateway-port', flags.gatewayPort, 65_535, faults)
  const feedbackPort = readWhole('--feedback-port', flags.feedbackPort, 65_535, faults)
  const seed = readWhole('--seed', flags.seed, Number.MAX_SAFE_INTEGER, faults)
  const script = await readScript(flags.script, context, faults)
  refuseFaults(faults, 'The simulator was not started')
  if (flags.directory !== undefined) await checkDirectory(flags.directory)

  const interruption = context.interruption()
  const simulator = await startSimulator({ providerPort, gatewayPort, feedbackPort, seed, script, journal: 'counts' })
  const { directory, remove } = await openDirectory(flags.directory)
  try {
    const { config, key, certificate, ca } = await writeInstallation(directory, simulator)
    const { provider, gateway, feedback, signingKey } = simulator
    const { keyId, teamId } = signingKey
    const send = `lhspn --config ${config} send --to ${'c0ffee'.repeat(10)}cafe`
    await (context.output.json
      ? context.output.printJson({ provider, gateway, feedback, config, key, keyId, teamId, certificate, ca })
      : context.output.print(
          `provider API  ${provider}`,
          `gateway       ${gateway}`,
          `feedback      ${feedback}`,
          `key           ${key}  (team ${teamId})`,
          `certificate   ${certificate}  (the client's, with its key)`,
          `trust         ${ca}`,
          `Try           ${send} "Hello"`,
          `and           ${send} --environment sandbox "Hello"  (over the gateway)`,
        ))
    context.output.note('Ctrl-C ends it.')
    await interruption.ended()
    await printCounts(simulator, context)
    return EXIT.done
  } finally {
    await simulator.close()
    await remove()
  }
}

function readWhole(flag: string, text: string | undefined, most: number, faults: InputFault[]): number {
  if (text === undefined) return 0
  const value = Number(text)
  if (/^\d+$/.test(text) && value <= most) return value
  faults.push({ flag, detail: `must be a whole number from 0 to ${most}, not "${text}"` })
  return 0
}

async function readScript(file: string | undefined, { stdin }: Context, faults: InputFault[]): Promise<Script> {
  if (file === undefined) return {}
  const { parseScript, SimulatorError } = await import('@lhspn/apns-simulator')
  try {
    const text = file === '-' ? await readAll(stdin) : await readFile(file, 'utf8')
    return parseScript(JSON.parse(text))
  } catch (error) {
    if (error instanceof SimulatorError) {
      faults.push(...error.faults.map((fault) => ({ flag: '--script', ...fault })))
    } else {
      const what = error instanceof SyntaxError ? 'no valid JSON' : 'cannot be read'
      faults.push({ flag: '--script', detail: `${what}: ${error instanceof Error ? error.message : String(error)}` })
    }
    return {}
  }
}

/** A directory that was named stays; a temporary one goes with the simulator. */
async function openDirectory(named: string | undefined): Promise<{ directory: string; remove: () => Promise<void> }> {
  if (named !== undefined) return { directory: resolve(named), remove: async () => undefined }
  const directory = await mkdtemp(join(tmpdir(), 'lhspn-simulator-'))
  return { directory, remove: () => rm(directory, { recursive: true, force: true }) }
}

async function printCounts({ journal }: Simulator, { output }: Context): Promise<void> {
  const counts = journal.counts()
  const { connections, feedbackReads } = journal
  if (output.json) {
    await output.printJson({ counts, connections, feedbackReads })
    return
  }
  const parts = Object.entries(counts).map(([verdict, count]) => `${verdict} ${formatCount(count)}`)
  await output.print(`${parts.join(' · ')} · connections ${formatCount(connections)} · feedback reads ${feedbackReads}`)
}
