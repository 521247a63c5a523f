import { type AppConfig, type Environment, ENVIRONMENTS, readCertificate } from '@lhspn/service'

/** An app as `apps list` shows it; nothing in it is secret. */
export interface AppDescription {
  readonly topic: string
  /** Only those that have a server. */
  readonly environments: Readonly<Partial<Record<Environment, EnvironmentDescription>>>
}

interface EnvironmentDescription {
  readonly interface: 'gateway'
  readonly credential: 'certificate'
  /** RFC 3339; absent where the certificate cannot be used. */
  readonly expiresAt?: string
  /** Why the certificate cannot be used. */
  readonly fault?: string
  readonly gateway?: string
  readonly feedback?: string
}

/** Describes an app, with what its certificates themselves say. */
export async function describeApp(app: AppConfig): Promise<AppDescription> {
  const environments: Partial<Record<Environment, EnvironmentDescription>> = {}
  for (const environment of ENVIRONMENTS) {
    const isSandbox = environment === 'sandbox'
    const gateway = isSandbox ? app.sandboxGateway : app.gateway
    const feedback = isSandbox ? app.sandboxFeedback : app.feedback
    if (gateway === undefined && feedback === undefined) continue
    environments[environment] = {
      interface: 'gateway',
      credential: 'certificate',
      ...(await expiryOf(app, environment)),
      ...(gateway !== undefined && { gateway }),
      ...(feedback !== undefined && { feedback }),
    }
  }
  return { topic: app.topic, environments }
}

/** A row for each environment: topic, environment, gateway, feedback, certificate. */
export function rowsOf({ topic, environments }: AppDescription): string[][] {
  const rows = Object.entries(environments).map(
    ([environment, { gateway = '-', feedback = '-', expiresAt, fault = '' }]) => [
      topic,
      environment,
      gateway,
      feedback,
      expiresAt === undefined ? fault : `until ${expiresAt.slice(0, 10)}`,
    ],
  )
  return rows.length > 0 ? rows : [[topic, '-', '-', '-', 'no gateway is configured']]
}

async function expiryOf(app: AppConfig, environment: Environment): Promise<{ expiresAt: string } | { fault: string }> {
  try {
    const { expiresAt } = await readCertificate(app, environment)
    return { expiresAt: expiresAt.toISOString() }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) }
  }
}
