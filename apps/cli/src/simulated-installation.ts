import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Simulator } from '@lhspn/apns-simulator'

import { CommandError } from './errors.ts'

/** Files that let every other command work against a simulated Apple; absolute paths if the directory is one. */
export interface SimulatedInstallation {
  readonly config: string
  /** The signing key, under the name that Apple gives such a file. */
  readonly key: string
  readonly certificate: string
  readonly ca: string
}

/** The app that the simulator's client certificate is made for: in production on the provider API, in the sandbox on the gateway. */
export const SIMULATED_TOPIC = 'com.example.app'

const MARK = '# Written by LHSPN for a simulated Apple; it is written anew with every start.'

/**
 * Refuses a directory whose configuration is somebody's own.
 * @throws CommandError `file-exists`
 */
export async function checkDirectory(directory: string): Promise<void> {
  const config = join(directory, 'lhspn.toml')
  const text = await readFile(config, 'utf8').catch(() => MARK)
  if (text.startsWith(MARK)) return
  throw new CommandError('file-exists', `${config} is a configuration of yours`, 'Name an empty directory.')
}

/**
 * Writes the CA, the signing key, the client certificate (with its key; both readable by their owner only) and a
 * configuration that names all of them. The database goes beside them.
 * @param settings TOML to stand before the app
 */
export async function writeInstallation(
  directory: string,
  { certificates, signingKey, provider, gateway, feedback }: Simulator,
  settings = '[database]\nurl = "sqlite:lhspn.db"\n',
): Promise<SimulatedInstallation> {
  await mkdir(directory, { recursive: true })
  const key = `AuthKey_${signingKey.keyId}.p8`
  const installation = {
    config: join(directory, 'lhspn.toml'),
    key: join(directory, key),
    certificate: join(directory, 'push.pem'),
    ca: join(directory, 'ca.pem'),
  }
  await writeFile(installation.ca, certificates.ca)
  await writeFile(installation.key, signingKey.key, { mode: 0o600 })
  await writeFile(installation.certificate, certificates.client, { mode: 0o600 })
  await writeFile(
    installation.config,
    `${MARK}
${settings}
# production is on the provider API, the sandbox on the binary gateway
[[apps]]
topic = "${SIMULATED_TOPIC}"
teamId = "${signingKey.teamId}"
key = "${key}"
provider = "${provider}"
sandboxCertificate = "push.pem"
sandboxGateway = "${gateway}"
sandboxFeedback = "${feedback}"
ca = "ca.pem"
`,
  )
  return installation
}
