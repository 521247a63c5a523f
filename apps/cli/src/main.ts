#!/usr/bin/env node
/** The command line. The only file that knows `process`; a command is loaded when it is the one that was typed. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { Command, CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings'

import type { Context, Run } from './context.ts'
import { CommandError } from './errors.ts'
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.ts'
import { showExamples } from './help.ts'
import { Interruption } from './interruption.ts'
import { Output } from './output.ts'

/** Every command: what `lhspn --help` says of it, and where it is. */
const COMMANDS = {
  demo: {
    usage: '',
    summary: 'show the main job with a simulated Apple, every figure counted',
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
  init: {
    usage: '',
    summary: 'write lhspn.toml, make the database, print the first admin key',
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  doctor: {
    usage: '',
    summary: 'check the installation end to end',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  serve: {
    usage: '',
    summary: 'the HTTP API and the delivery of pushes, until a signal ends it',
    load: async () => (await import('./commands/serve.ts')).serveCommand,
  },
  work: {
    usage: '',
    summary: 'the delivery of pushes alone, on further machines',
    load: async () => (await import('./commands/work.ts')).workCommand,
  },
  apps: {
    usage: '',
    summary: 'list the apps, or add one with its key or certificate',
    load: async () => (await import('./commands/apps.ts')).appsCommand,
  },
  send: {
    usage: '[TEXT]',
    summary: 'send a notification to devices, and follow it to its end',
    load: async () => (await import('./commands/send.ts')).sendCommand,
  },
  pushes: {
    usage: '',
    summary: 'list, show, pause, resume or cancel pushes, and what became of each notification',
    load: async () => (await import('./commands/pushes.ts')).pushesCommand,
  },
  devices: {
    usage: '',
    summary: 'list, show, save, delete or import devices',
    load: async () => (await import('./commands/devices.ts')).devicesCommand,
  },
  keys: {
    usage: '',
    summary: 'list, make or delete keys to the HTTP API',
    load: async () => (await import('./commands/keys.ts')).keysCommand,
  },
  migrate: {
    usage: '',
    summary: 'bring the database up to date, or import the devices of LHSPNservice',
    load: async () => (await import('./commands/migrate.ts')).migrateCommand,
  },
  feedback: {
    usage: '',
    summary: 'read the feedback service now, and remove the devices that it names',
    load: async () => (await import('./commands/feedback.ts')).feedbackCommand,
  },
  explain: {
    usage: '<THING>',
    summary: 'a reason, a status, a device token or a notification: what, why, what to do',
    load: async () => (await import('./commands/explain.ts')).explainCommand,
  },
  simulator: {
    usage: '',
    summary: 'run the scriptable provider API, gateway and feedback service',
    load: async () => (await import('./commands/simulator.ts')).simulatorCommand,
  },
  config: {
    usage: '',
    summary: 'the effective configuration: key, value, origin',
    load: async () => (await import('./commands/config.ts')).configCommand,
  },
} as const satisfies Record<
  string,
  { usage: string; summary: string; load: () => Promise<(run: Run) => CommandUnknownOpts> }
>

function createProgram() {
  const program = new Command('lhspn')
    .description('Push notifications to iOS and macOS apps, with a true outcome for each.')
    .version(version(), '--version', 'print the version')
    .option('--config <FILE>', 'configuration file (else LHSPN_CONFIG, ./lhspn.toml, /etc/lhspn/lhspn.toml)')
    .option('--json', 'one JSON object a line on stdout; errors alone, as problem objects, on stderr')
    .option('--quiet', 'no notes and no progress on stderr')
    .option('--verbose', 'log connections and what else happens inside')
    .option('--no-color', 'no colours, on terminals either')
    .option('--no-input', 'never ask and never wait for anyone')
    .helpOption('--help', 'print this help')
    .configureHelp({ showGlobalOptions: true })
    // whoever runs us gets one error, made below; commander only throws
    .configureOutput({ outputError: () => undefined })
    .exitOverride()
  showExamples(program, [
    ['lhspn demo', 'see it work, without an account'],
    ['lhspn send --to $TOKEN "Hello"', 'one notification'],
    ['lhspn explain BadDeviceToken', 'what a reason means, and what to do'],
  ])
  return program
}
type Program = ReturnType<typeof createProgram>

async function main(argv: readonly string[]): Promise<ExitCode> {
  const program = createProgram()
  let exitCode: ExitCode = EXIT.done
  const run: Run = async (work) => {
    const context = createContext(program)
    try {
      exitCode = await work(context)
    } finally {
      context.output.close()
      context.stdin.destroy()
    }
  }
  try {
    await addCommands(program, argv, run)
    await program.parseAsync(argv, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done
    const meant = error instanceof CommanderError ? usageError(error) : error
    // without a command the help was printed already: that is the answer
    if (meant !== undefined) createOutput(program).fail(meant)
    return meant === undefined ? EXIT.refused : exitCodeOf(meant)
  }
}

/** Loads the command that was typed; the others are there by name only, for the help and for suggestions. */
async function addCommands(program: Program, argv: readonly string[], run: Run): Promise<void> {
  const typed = operands(argv)
  const wanted = typed[0] === 'help' ? typed[1] : typed[0]
  for (const [name, { usage, summary, load }] of Object.entries(COMMANDS)) {
    const command = name === wanted ? (await load())(run) : stub(name, usage)
    inheritSettings(command.description(summary), program)
    program.addCommand(command)
  }
}

function stub(name: string, usage: string): CommandUnknownOpts {
  return usage === '' ? new Command(name) : new Command(name).arguments(usage)
}

/** What commander does by itself only for commands that are made by their parent. */
function inheritSettings(command: CommandUnknownOpts, parent: CommandUnknownOpts): void {
  command.copyInheritedSettings(parent)
  for (const child of command.commands) inheritSettings(child, command)
}

/** What is no flag and no value of a global flag. */
function operands(argv: readonly string[]): string[] {
  return argv.filter((word, at) => !word.startsWith('-') && argv[at - 1] !== '--config')
}

function usageError(error: CommanderError): CommandError | undefined {
  if (error.code === 'commander.help' || error.code === 'commander.helpDisplayed') return undefined
  const [what = '', suggestion = ''] = error.message.replace(/^error: /, '').split('\n')
  const meant = /Did you mean (.*)\?/.exec(suggestion)?.[1]
  const message = meant === undefined ? what : `${what}; did you mean ${meant}?`
  return new CommandError('invalid-input', message, 'Nothing was done. `lhspn --help` lists what there is.')
}

function createContext(program: Program): Context {
  const options = program.opts()
  let interruption: Interruption | undefined
  return {
    output: createOutput(program),
    variables: process.env,
    program: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
    stdin: process.stdin,
    configFile: options.config,
    configFlags: options.verbose === true ? { 'log.level': 'debug' } : {},
    unattended: !(options.input && process.stdin.isTTY),
    interruption: () => (interruption ??= new Interruption(process)),
  }
}

function createOutput(program: Program): Output {
  const { json, quiet, color } = program.opts()
  const { NO_COLOR: noColour = '', TERM: terminal } = process.env
  return new Output({
    stdout: process.stdout,
    stderr: process.stderr,
    json: json === true,
    quiet: quiet === true,
    colour: color && noColour === '' && terminal !== 'dumb',
  })
}

function version(): string {
  const { version: ours } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return ours
}

process.exitCode = await main(process.argv.slice(2))
