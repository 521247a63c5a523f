import type { Service } from '@lhspn/service'

import type { Context } from './context.ts'
import { configOf } from './installation.ts'
import type { Interruption } from './interruption.ts'

/** From now on SIGHUP reads the apps of the configuration again; what is wrong with it is logged, and changes nothing. */
export function reloadOnHangup(service: Service, interruption: Interruption, context: Context): void {
  interruption.onHangup(() => {
    void reload(service, context)
  })
}

async function reload(service: Service, context: Context): Promise<void> {
  try {
    await service.reload(configOf(context))
  } catch (error) {
    service.log.error({ err: error }, 'configuration: not read again, it stays as it was')
  }
}
