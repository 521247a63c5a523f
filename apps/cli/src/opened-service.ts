import { type Config, openService, type OpenServiceOptions, type Service } from '@lhspn/service'

import type { Context } from './context.ts'
import type { ExitCode } from './exit-code.ts'
import type { Interruption } from './interruption.ts'
import { openLog } from './log.ts'

/**
 * Opens the installation for one command, and closes it behind the work. A signal ends the wait for a database too; the
 * work itself decides how it ends in order.
 * @throws DatabaseError, and what the work throws
 */
export async function withService(
  config: Config,
  context: Context,
  work: (service: Service, interruption: Interruption) => Promise<ExitCode>,
  options: Omit<Partial<OpenServiceOptions>, 'signal'> = {},
): Promise<ExitCode> {
  const interruption = context.interruption()
  const { signal } = interruption
  try {
    const service = await openService(config, { log: openLog(config, context), ...options, signal })
    try {
      return await work(service, interruption)
    } finally {
      await service.close()
    }
  } catch (error) {
    if (interruption.exitCode !== undefined && error === signal.reason) return interruption.exitCode
    throw error
  }
}
