import type { AppDescription } from '@lhspn/service'

/** A row for each environment: topic, environment, gateway, feedback, certificate. */
export function rowsOf({ topic, environments }: AppDescription): string[][] {
  const rows = Object.entries(environments).map(
    ([environment, { gateway = '-', feedback = '-', expiresAt, fault = '' }]) => [
      topic,
      environment,
      gateway,
      feedback,
      expiresAt === undefined ? fault : `until ${expiresAt.toISOString().slice(0, 10)}`,
    ],
  )
  return rows.length > 0 ? rows : [[topic, '-', '-', '-', 'no gateway is configured']]
}
