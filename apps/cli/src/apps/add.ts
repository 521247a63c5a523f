import { randomUUID } from 'node:crypto'
import { readFile, realpath, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'

import { type AppConfig, chooseConfigFile, describeApp, parseConfig, ServiceError } from '@lhspn/service'

import type { Context } from '../context.ts'
import { CommandError, type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { configOf } from '../installation.ts'
import { checkCertificate, checkKey, type Conversion, readInput } from './credential-files.ts'
import { doubtsOf, linesOf, type Proof, prove, refuseWorthless } from './proof.ts'

/** The flags of `apps add`; each is the key of the `[[apps]]` block that it writes. */
export type AddFlags = {
  readonly [Key in Exclude<keyof AppConfig, 'topic' | 'passphrase' | 'trustedAttributes'>]?: string | undefined
}

const FLAGS = {
  teamId: '--team',
  key: '--key',
  keyId: '--key-id',
  sandboxKey: '--sandbox-key',
  sandboxKeyId: '--sandbox-key-id',
  certificate: '--certificate',
  sandboxCertificate: '--sandbox-certificate',
  passphraseFile: '--passphrase-file',
  provider: '--provider',
  sandboxProvider: '--sandbox-provider',
  gateway: '--gateway',
  feedback: '--feedback',
  sandboxGateway: '--sandbox-gateway',
  sandboxFeedback: '--sandbox-feedback',
  ca: '--ca',
} as const satisfies Record<keyof AddFlags, string>

/** What the flags make: the values of the block, and what is to be written beside the configuration file. */
interface Draft {
  readonly values: Readonly<Record<string, string>>
  /** By the key of the block that names the file. */
  readonly conversions: ReadonlyMap<string, Conversion>
}

/**
 * Checks everything and asks APNs or the gateway whether the credentials are taken, then writes: a .p12 as PEM beside it,
 * and the block at the end of the configuration file.
 * @throws CommandError `invalid-input` with every fault at once, `refused-credentials`; nothing was written then
 */
export async function addApp(topic: string, flags: AddFlags, context: Context): Promise<ExitCode> {
  const file = chooseConfigFile(context.configFile, context.variables)
  if (file === undefined)
    throw new CommandError('invalid-input', 'There is no configuration file', 'Run `lhspn init` first.')
  const before = await readConfigText(file)
  const faults: InputFault[] = []
  const { values, conversions } = await readFlags(topic, flags, file, context, faults)
  refuseMissing(flags, faults)
  const text = before + blockOf(values, before)
  const app = parseWhole(text, file, topic, faults)
  refuseFaults(faults, 'Nothing was written')

  const { output } = context
  // what is not written yet stands in for its file
  const inline = Object.fromEntries([...conversions].map(([key, conversion]) => [key, conversion.text]))
  const proof = await ask({ ...app, ...inline }, context)
  if (proof === undefined) return context.interruption().exitCode ?? EXIT.interrupted
  refuseWorthless(proof)

  for (const { file: pem, text: content } of conversions.values()) {
    await writeFile(pem, content, { mode: 0o600, flag: 'wx' })
  }
  await replace(file, text)
  await tell(app, proof, file, context)
  for (const { file: pem } of conversions.values()) output.note(`Converted to ${pem} (readable by you alone).`)
  output.note(`Next: lhspn send --app ${topic} --to TOKEN "Hello"`)
  return EXIT.done
}

/** @returns undefined where a signal came first */
async function ask(app: AppConfig, context: Context): Promise<Proof | undefined> {
  const interruption = context.interruption()
  context.output.note('Asking whether the credentials are taken.')
  try {
    return await prove(configOf(context), app, interruption.signal)
  } catch (error) {
    if (interruption.exitCode === undefined) throw error
    return undefined
  }
}

async function tell(app: AppConfig, proof: Proof, file: string, { output }: Context): Promise<void> {
  const description = await describeApp(app)
  if (output.json) {
    await output.printJson({ ...description, probes: proof })
    return
  }
  await output.print(`added ${app.topic} to ${file}`, ...linesOf(description, proof).map((line) => `  ${line}`))
  for (const doubt of doubtsOf(proof)) output.warn(doubt)
}

async function readFlags(
  topic: string,
  flags: AddFlags,
  file: string,
  { output }: Context,
  faults: InputFault[],
): Promise<Draft> {
  const values: Record<string, string> = { topic }
  const conversions = new Map<string, Conversion>()
  const passphrase = await readPassphrase(flags.passphraseFile, faults)
  for (const [key, flag] of Object.entries(FLAGS)) {
    const typed = flags[key as keyof AddFlags]
    if (typed === undefined) continue
    if (key === 'certificate' || key === 'sandboxCertificate') {
      const conversion = await checkCertificate(flag, typed, passphrase, topic, output, faults)
      if (conversion !== undefined) conversions.set(key, conversion)
      values[key] = pathFrom(file, conversion?.file ?? typed)
    } else if (key === 'key' || key === 'sandboxKey') {
      await checkKey(flag, typed, faults)
      values[key] = pathFrom(file, typed)
    } else {
      values[key] = key === 'passphraseFile' || key === 'ca' ? pathFrom(file, typed) : typed
    }
  }
  if (flags.ca !== undefined) await readInput(FLAGS.ca, flags.ca, faults)
  // converted files are not encrypted, and where both are there is no passphrase to name
  const named = [flags.certificate, flags.sandboxCertificate].filter((given) => given !== undefined)
  if (conversions.size === named.length) delete values['passphraseFile']
  return { values, conversions }
}

async function readConfigText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new CommandError('invalid-input', `${file} cannot be read: ${String(error)}`, 'Run `lhspn init` first.', {
      cause: error,
    })
  }
}

async function readPassphrase(path: string | undefined, faults: InputFault[]): Promise<string | undefined> {
  if (path === undefined) return undefined
  const bytes = await readInput(FLAGS.passphraseFile, path, faults)
  return bytes?.toString('utf8').replace(/\r?\n$/, '')
}

function refuseMissing(flags: AddFlags, faults: InputFault[]): void {
  const { key, sandboxKey, certificate, sandboxCertificate, gateway, feedback, sandboxGateway, sandboxFeedback } = flags
  const hasKey = key !== undefined || sandboxKey !== undefined
  const hasCertificate = certificate !== undefined || sandboxCertificate !== undefined
  const speaksBinary = [gateway, feedback, sandboxGateway, sandboxFeedback].some((given) => given !== undefined)
  if (!hasCertificate && speaksBinary) {
    faults.push({ flag: FLAGS.certificate, detail: 'missing; it proves to the gateway whose notifications these are' })
  } else if (!hasCertificate && !hasKey) {
    const detail = 'missing; give the signing key of your team (with --team), or --certificate'
    faults.push({ flag: FLAGS.key, detail })
  }
  if (gateway !== undefined && certificate === undefined && sandboxCertificate !== undefined) {
    faults.push({ flag: FLAGS.certificate, detail: 'missing; --sandbox-certificate does not serve production' })
  }
}

/** Reads the file as it will be, so that it is never left in a state that no command can use. */
function parseWhole(text: string, file: string, topic: string, faults: InputFault[]): AppConfig {
  try {
    const app = parseConfig({ text, file }).apps.find((candidate) => candidate.topic === topic)
    if (app !== undefined) return app
    throw new TypeError(`the block of ${topic} was lost`)
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error
    for (const { key, detail } of error.faults) {
      const name = /^apps\[\d+\]\.(\w+)$/.exec(key)?.[1] ?? ''
      const flag = name === 'topic' ? 'TOPIC' : Object.entries(FLAGS).find(([known]) => known === name)?.[1]
      faults.push({ flag: flag ?? `${file} ${key}`, detail })
    }
    return { topic }
  }
}

function blockOf(values: Readonly<Record<string, string>>, before: string): string {
  // a TOML basic string has JSON's escapes
  const lines = Object.entries(values).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
  return `${before === '' || before.endsWith('\n') ? '' : '\n'}\n[[apps]]\n${lines.join('')}`
}

/** In one step: nobody reads half a file. Keeps its permissions, and goes through a symbolic link. */
async function replace(file: string, text: string): Promise<void> {
  try {
    const target = await realpath(file)
    const { mode } = await stat(target)
    const draft = `${target}.${randomUUID()}`
    await writeFile(draft, text, { mode, flag: 'wx' })
    await rename(draft, target)
  } catch (error) {
    throw new CommandError('unwritable-file', `${file} cannot be written: ${String(error)}`, 'Check its permissions.', {
      cause: error,
    })
  }
}

/** Relative to the configuration file where it lies below its directory, so that both can move together. */
function pathFrom(config: string, path: string): string {
  const inside = relative(dirname(resolve(config)), resolve(path))
  return inside.startsWith('../') ? resolve(path) : inside
}
