import { createLogger } from '@lhspn/service'

import type { Context } from './context.ts'
import { EXIT, type ExitCode } from './exit-code.ts'
import { configOf } from './installation.ts'
import { withService } from './opened-service.ts'
import { reloadOnHangup } from './reloading.ts'

/**
 * Delivers pushes, until a signal asks it to end: then no new chunk is taken, and what is in flight settles. The log goes
 * to stderr.
 * @throws ServiceError; DatabaseError; DispatcherError `redis-unreachable`
 */
export async function work(context: Context): Promise<ExitCode> {
  const { output } = context
  const config = configOf(context)
  const log = createLogger({ ...config.log, isTerminal: output.stderrIsTerminal })
  return withService(
    config,
    context,
    async (service, interruption) => {
      reloadOnHangup(service, interruption, context)
      output.note('Delivering pushes. Ctrl-C drains and ends it.')
      await interruption.ended()
      output.note('Draining: what is in flight settles first. Once more ends at once.')
      await service.drain()
      return EXIT.done
    },
    { log, dispatch: true },
  )
}
