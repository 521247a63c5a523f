import { createLogger, type Service } from '@lhspn/service'

import type { Context } from './context.ts'
import { EXIT, type ExitCode } from './exit-code.ts'
import { configOf } from './installation.ts'
import type { Interruption } from './interruption.ts'
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
      return drain(service, interruption, context)
    },
    { log, dispatch: true },
  )
}

/** Drains, and tells whether all that was in flight has settled in time: 0 only then, else the code of the signal. */
export async function drain(service: Service, interruption: Interruption, { output }: Context): Promise<ExitCode> {
  if (await service.drain()) return EXIT.done
  output.note(
    'Not drained within server.drainTimeout: what was in flight is left to the next process, at the end of its lease at the latest.',
  )
  return interruption.exitCode ?? EXIT.interrupted
}
