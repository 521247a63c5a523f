import { type Environment, ENVIRONMENTS, readCertificate } from './apps.ts'
import type { AppConfig } from './config.ts'

/** An app as people and programs may see it; nothing in it is secret. */
export interface AppDescription {
  readonly topic: string
  /** Only those that have a server. */
  readonly environments: Readonly<Partial<Record<Environment, EnvironmentDescription>>>
}

export interface EnvironmentDescription {
  readonly interface: 'gateway'
  readonly credential: 'certificate'
  /** Absent where the certificate cannot be used. */
  readonly expiresAt?: Date
  /** Why the certificate cannot be used; may name a file. */
  readonly fault?: string
  /** HOST:PORT */
  readonly gateway?: string
  readonly feedback?: string
}

/** Describes an app, with what its certificates themselves say. Reads them anew. */
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

async function expiryOf(app: AppConfig, environment: Environment): Promise<{ expiresAt: Date } | { fault: string }> {
  try {
    const { expiresAt } = await readCertificate(app, environment)
    return { expiresAt }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) }
  }
}
