import { readFile, stat } from 'node:fs/promises'

import { type Certificate, openCertificate, openSigningKey } from '@lhspn/sender'

import type { InputFault } from '../errors.ts'
import type { Output } from '../output.ts'

/** A file to be written with the block: the PEM that a .p12 was converted to. */
export interface Conversion {
  readonly file: string
  readonly text: string
}

const SOON_MS = 30 * 86_400_000
/** A key is read without its ids, which are judged with the block that names them. */
const ANY_IDS = { keyId: 'KEY0000000', teamId: 'TEAM000000' }

/** Whether the file is the private key of a signing key; what is wrong goes to `faults`. */
export async function checkKey(flag: string, path: string, faults: InputFault[]): Promise<void> {
  const bytes = await readInput(flag, path, faults)
  if (bytes !== undefined) attempt(flag, path, faults, () => openSigningKey(bytes, ANY_IDS))
}

/**
 * Whether the file is a usable certificate of this app; what is wrong goes to `faults`.
 * @returns what a .p12 is to be converted to; undefined where it is PEM, or not usable
 */
export async function checkCertificate(
  flag: string,
  path: string,
  passphrase: string | undefined,
  topic: string,
  output: Output,
  faults: InputFault[],
): Promise<Conversion | undefined> {
  const bytes = await readInput(flag, path, faults)
  if (bytes === undefined) return undefined
  const certificate = attempt(flag, path, faults, () => openCertificate(bytes, passphrase))
  if (certificate === undefined) return undefined
  judge(flag, path, certificate, topic, output, faults)
  if (bytes.includes('-----BEGIN ')) return undefined
  const file = `${path.replace(/\.(p12|pfx)$/i, '')}.pem`
  if (await exists(file)) faults.push({ flag, detail: `${path} would be converted to ${file}, which is there already` })
  return { file, text: `${certificate.certificate.trimEnd()}\n${certificate.key.trimEnd()}\n` }
}

function judge(
  flag: string,
  path: string,
  { topics, expiresAt }: Certificate,
  topic: string,
  output: Output,
  faults: InputFault[],
): void {
  const date = expiresAt.toISOString().slice(0, 10)
  const leftMs = expiresAt.getTime() - Date.now()
  if (leftMs <= 0) faults.push({ flag, detail: `${path} has expired on ${date}` })
  else if (leftMs < SOON_MS) output.warn(`${path} expires on ${date}`)
  if (topics.length === 0) output.warn(`${path} does not say which app it is for`)
  else if (!topics.includes(topic))
    faults.push({ flag, detail: `${path} is for ${topics.join(', ')}, not for ${topic}` })
}

/** Opens what a file holds; an error becomes a fault with its remedy. */
function attempt<T>(flag: string, path: string, faults: InputFault[], open: () => T): T | undefined {
  try {
    return open()
  } catch (error) {
    const remedy = error instanceof Error && 'remedy' in error ? `. ${String(error.remedy)}` : ''
    faults.push({ flag, detail: `${path}: ${error instanceof Error ? error.message : String(error)}${remedy}` })
    return undefined
  }
}

/** The bytes of a file that a flag names; undefined where it cannot be read, which goes to `faults`. */
export async function readInput(flag: string, path: string, faults: InputFault[]): Promise<Buffer | undefined> {
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
