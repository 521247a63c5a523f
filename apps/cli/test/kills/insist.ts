import { setTimeout as delay } from 'node:timers/promises'

import { EXIT, exitCodeOf } from '../../src/exit-code.ts'

/** Asks again while the database is dead. */
export async function insist<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (exitCodeOf(error) !== EXIT.unreachable || signal?.aborted === true) throw error
      await delay(50)
    }
  }
}
