import type { AppDescription, EnvironmentDescription } from '@lhspn/service'

/** The head of the rows below. */
export const APP_COLUMNS = ['topic', 'environment', 'interface', 'server', 'feedback', 'credential']

/** A row for each environment. */
export function rowsOf({ topic, environments }: AppDescription): string[][] {
  const rows = Object.entries(environments).map(([environment, description]) => {
    const { interface: over, provider, gateway, feedback } = description
    return [topic, environment, over, provider ?? gateway ?? '-', feedback ?? '-', credentialOf(description)]
  })
  return rows.length > 0 ? rows : [[topic, '-', '-', '-', '-', 'none: give key or certificate']]
}

function credentialOf({ credential, keyId, expiresAt, fault }: EnvironmentDescription): string {
  if (fault !== undefined) return fault
  return credential === 'key' ? `key ${keyId}` : `certificate until ${expiresAt?.toISOString().slice(0, 10)}`
}
