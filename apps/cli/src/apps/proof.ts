import {
  type AppConfig,
  type AppDescription,
  type Config,
  describeApp,
  type Environment,
  type EnvironmentDescription,
  type Probe,
  probe,
} from '@lhspn/service'

import { CommandError } from '../errors.ts'

/** What the probe found in each environment that something can be sent to. */
export type Proof = Readonly<Partial<Record<Environment, Probe>>>

type Environments = readonly [Environment, EnvironmentDescription][]

/** Asks, in each environment at once, whether the credentials are taken. @throws SenderError, ServiceError; the signal's reason */
export async function prove(config: Pick<Config, 'sender'>, app: AppConfig, signal: AbortSignal): Promise<Proof> {
  const asked = environmentsOf(await describeApp(app)).filter(([, { interface: over, gateway }]) => {
    // a feedback service alone is nothing to send to, and reading it forgets its list
    return over === 'provider-api' || gateway !== undefined
  })
  const found = asked.map(async ([environment]) => [environment, await probe(config, app, environment, { signal })])
  return Object.fromEntries(await Promise.all(found)) as Proof
}

/**
 * Refuses credentials that are taken nowhere. Where one environment takes them they may be meant for that one alone, and
 * where a server is not there, or has something else to say, it proves nothing.
 * @throws CommandError `refused-credentials`
 */
export function refuseWorthless(proof: Proof): void {
  const all = Object.entries(proof)
  const refused = all.filter(([, { credentials }]) => credentials?.taken === false)
  if (refused.length === 0 || refused.length < all.length) return
  const lines = refused.map(([environment, { credentials }]) => `\n  ${environment}: ${credentials?.found}`)
  const remedies = new Set(refused.map(([, { credentials }]) => credentials?.remedy ?? ''))
  throw new CommandError(
    'refused-credentials',
    `Nothing was written, since the credentials are refused:${lines.join('')}`,
    [...remedies].join(' '),
  )
}

/** A line for each key or certificate: what it is, and where it was taken. */
export function linesOf(description: AppDescription, proof: Proof): string[] {
  const environments = environmentsOf(description)
  const names = new Set(environments.map(([, each]) => nameOf(each)))
  return [...names].map((name) => {
    const taken = environments.filter(
      ([environment, each]) => nameOf(each) === name && proof[environment]?.credentials?.taken === true,
    )
    const where =
      taken.length === 0 ? 'not proven' : `taken in ${taken.map(([environment]) => environment).join(' and ')}`
    // a gateway takes notifications for whatever its certificate is for
    const isOpen = taken.some(([environment]) => proof[environment]?.interface === 'provider-api')
    return [name, where, ...(isOpen ? ['topic: proven by the first real send'] : [])].join(' · ')
  })
}

/** What stands in the way in an environment, or is to be known, with what to do. */
export function doubtsOf(proof: Proof): string[] {
  return Object.entries(proof).flatMap(([environment, { connection, credentials, clock }]) =>
    [connection, credentials, clock].flatMap((finding) =>
      finding === undefined || finding.verdict === 'ok'
        ? []
        : [`${environment}: ${finding.found}. ${finding.remedy ?? ''}`.trimEnd()],
    ),
  )
}

function nameOf({ keyId, expiresAt }: EnvironmentDescription): string {
  if (keyId !== undefined) return `key ok (P-256) · key id ${keyId}`
  return `certificate ok · until ${expiresAt?.toISOString().slice(0, 10)}`
}

function environmentsOf({ environments }: AppDescription): Environments {
  return Object.entries(environments) as [Environment, EnvironmentDescription][]
}
