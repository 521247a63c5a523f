import { randomUUID } from 'node:crypto'
import { readFile, realpath, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'

import { type Certificate, openCertificate } from '@lhspn/sender'
import { type AppConfig, chooseConfigFile, describeApp, parseConfig, ServiceError } from '@lhspn/service'

import type { Context } from '../context.ts'
import { CommandError, type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { rowsOf } from './description.ts'

/** The flags of `apps add`; each is the key of the `[[apps]]` block that it writes. */
export type AddFlags = { readonly [Key in keyof typeof FLAGS]?: string | undefined }

const FLAGS = {
  certificate: '--certificate',
  sandboxCertificate: '--sandbox-certificate',
  passphraseFile: '--passphrase-file',
  gateway: '--gateway',
  feedback: '--feedback',
  sandboxGateway: '--sandbox-gateway',
  sandboxFeedback: '--sandbox-feedback',
  ca: '--ca',
} as const satisfies Partial<Record<keyof AppConfig, string>>

const SOON_MS = 30 * 86_400_000

/** A file to be written with the block: the PEM that a .p12 was converted to. */
interface Conversion {
  readonly file: string
  readonly text: string
}

/**
 * Checks everything, then writes: a .p12 as PEM beside it, and the block at the end of the configuration file.
 * @throws CommandError `invalid-input` with every fault at once; nothing was written then
 */
export async function addApp(topic: string, flags: AddFlags, context: Context): Promise<ExitCode> {
  const file = chooseConfigFile(context.configFile, context.variables)
  if (file === undefined)
    throw new CommandError('invalid-input', 'There is no configuration file', 'Run `lhspn init` first.')
  const before = await readConfigText(file)
  const faults: InputFault[] = []
  const values: Record<string, string> = { topic }
  const conversions: Conversion[] = []
  const passphrase = await readPassphrase(flags.passphraseFile, faults)
  for (const [key, flag] of Object.entries(FLAGS)) {
    const typed = flags[key as keyof AddFlags]
    if (typed === undefined) continue
    if (key === 'certificate' || key === 'sandboxCertificate') {
      const checked = await checkCertificate(flag, typed, passphrase, topic, context, faults)
      if (checked !== undefined) conversions.push(...checked.conversions)
      values[key] = pathFrom(file, checked?.file ?? typed)
    } else {
      values[key] = key === 'passphraseFile' || key === 'ca' ? pathFrom(file, typed) : typed
    }
  }
  if (flags.ca !== undefined) await readInput(FLAGS.ca, flags.ca, faults)
  refuseMissing(flags, faults)
  // converted files are not encrypted, and where both are there is no passphrase to name
  const named = [flags.certificate, flags.sandboxCertificate].filter((given) => given !== undefined)
  if (conversions.length === named.length) delete values['passphraseFile']
  const text = before + blockOf(values, before)
  const app = parseWhole(text, file, topic, faults)
  refuseFaults(faults, 'Nothing was written')

  for (const { file: pem, text: content } of conversions) await writeFile(pem, content, { mode: 0o600, flag: 'wx' })
  await replace(file, text)
  const description = await describeApp(app)
  const { output } = context
  if (output.json) await output.printJson(description)
  else {
    await output.print(
      `added ${topic} to ${file}`,
      ...rowsOf(description).map((cells) => `  ${cells.slice(1).join('  ')}`),
    )
    for (const { file: pem } of conversions) output.note(`Converted to ${pem} (readable by you alone).`)
    output.note(`Next: lhspn send --app ${topic} --to TOKEN "Hello"`)
  }
  return EXIT.done
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

/** Whether the file is a usable certificate of this app, and where it will be as PEM. */
async function checkCertificate(
  flag: string,
  path: string,
  passphrase: string | undefined,
  topic: string,
  { output }: Context,
  faults: InputFault[],
): Promise<{ readonly file: string; readonly conversions: readonly Conversion[] } | undefined> {
  const bytes = await readInput(flag, path, faults)
  if (bytes === undefined) return undefined
  const certificate = open(flag, path, bytes, passphrase, faults)
  if (certificate === undefined) return undefined
  const { topics, expiresAt } = certificate
  const date = expiresAt.toISOString().slice(0, 10)
  const leftMs = expiresAt.getTime() - Date.now()
  if (leftMs <= 0) faults.push({ flag, detail: `${path} has expired on ${date}` })
  else if (leftMs < SOON_MS) output.warn(`${path} expires on ${date}`)
  if (topics.length === 0) output.warn(`${path} does not say which app it is for`)
  else if (!topics.includes(topic))
    faults.push({ flag, detail: `${path} is for ${topics.join(', ')}, not for ${topic}` })
  if (bytes.includes('-----BEGIN ')) return { file: path, conversions: [] }
  const file = `${path.replace(/\.(p12|pfx)$/i, '')}.pem`
  if (await exists(file)) faults.push({ flag, detail: `${path} would be converted to ${file}, which is there already` })
  return { file, conversions: [{ file, text: `${certificate.certificate.trimEnd()}\n${certificate.key.trimEnd()}\n` }] }
}

function open(
  flag: string,
  path: string,
  bytes: Uint8Array,
  passphrase: string | undefined,
  faults: InputFault[],
): Certificate | undefined {
  try {
    return openCertificate(bytes, passphrase)
  } catch (error) {
    const remedy = error instanceof Error && 'remedy' in error ? `. ${String(error.remedy)}` : ''
    faults.push({ flag, detail: `${path}: ${error instanceof Error ? error.message : String(error)}${remedy}` })
    return undefined
  }
}

function refuseMissing(flags: AddFlags, faults: InputFault[]): void {
  if (flags.certificate === undefined && flags.sandboxCertificate === undefined) {
    faults.push({ flag: FLAGS.certificate, detail: 'missing; it proves to the gateway whose notifications these are' })
  }
  if (flags.gateway === undefined && flags.sandboxGateway === undefined) {
    faults.push({ flag: FLAGS.gateway, detail: 'missing; give it, or --sandbox-gateway' })
  }
  if (flags.gateway !== undefined && flags.certificate === undefined && flags.sandboxCertificate !== undefined) {
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

async function readInput(flag: string, path: string, faults: InputFault[]): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    faults.push({ flag, detail: `cannot be read: ${error instanceof Error ? error.message : String(error)}` })
    return undefined
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** Relative to the configuration file where it lies below its directory, so that both can move together. */
function pathFrom(config: string, path: string): string {
  const inside = relative(dirname(resolve(config)), resolve(path))
  return inside.startsWith('../') ? resolve(path) : inside
}
