import { type ApiServer, startServer } from '@lhspn/api'
import { createLogger, type Service } from '@lhspn/service'

import type { Context } from './context.ts'
import { CommandError } from './errors.ts'
import type { ExitCode } from './exit-code.ts'
import { configOf } from './installation.ts'
import { withService } from './opened-service.ts'
import { reloadOnHangup } from './reloading.ts'
import { drain } from './work.ts'

/**
 * Serves the API, delivers pushes and reads the feedback services, until a signal asks it to end: then no new request and
 * no new chunk is taken, and what is under way is finished. The log goes to stderr.
 * @param dispatch false: pushes are stored, and left to others
 * @throws CommandError `unusable-address`; ServiceError; DatabaseError; DispatcherError `redis-unreachable`
 */
export async function serve(dispatch: boolean, context: Context): Promise<ExitCode> {
  const { output } = context
  const config = configOf(context)
  const log = createLogger({ ...config.log, isTerminal: output.stderrIsTerminal })
  return withService(
    config,
    context,
    async (service, interruption) => {
      const server = await listen(service)
      service.startFeedback()
      reloadOnHangup(service, interruption, context)
      const api = server.url + config.server.basePath
      await (output.json
        ? output.printJson({ url: api, opsUrl: server.opsUrl })
        : output.print(`API     ${api}`, `health  ${server.opsUrl}/readyz`))
      output.note('Ctrl-C drains and ends it.')
      await interruption.ended()
      output.note('Draining: what is under way is finished first. Once more ends at once.')
      const [code] = await Promise.all([drain(service, interruption, context), server.close()])
      return code
    },
    { log, dispatch },
  )
}

/** Listens at the addresses of the configuration. @throws CommandError `unusable-address` */
export async function listen(service: Service): Promise<ApiServer> {
  try {
    return await startServer(service)
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ApiError')) throw error
    throw new CommandError('unusable-address', error.message, 'Set server.listen and ops.listen to free addresses.', {
      cause: error,
    })
  }
}
