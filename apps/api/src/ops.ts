import type { Service } from '@lhspn/service'
import { Hono } from 'hono'

/** How long a look at the database may take before it counts as gone. */
const CHECK_MS = 3000

/**
 * Health, for whoever starts and stops the program; on a listener of its own, without keys. `/healthz`: the program
 * runs. `/readyz`: registrations can be stored; that Apple is away is told, and no reason to refuse tokens.
 * @param isDraining whether the program is about to end
 */
export function createOps(
  service: Pick<Service, 'checkDatabase' | 'senders' | 'log'>,
  isDraining: () => boolean,
): Hono {
  const app = new Hono()
  app.get('/healthz', (c) => c.json({ status: 'ok' }))
  app.get('/readyz', async (c) => {
    const senders = service.senders()
    if (isDraining()) return c.json({ status: 'draining', senders }, 503)
    try {
      await inTime(service.checkDatabase())
      return c.json({ status: 'ready', database: 'ok', senders })
    } catch (error) {
      service.log.warn({ err: error }, 'not ready: the database does not answer')
      return c.json(
        { status: 'unavailable', database: error instanceof Error ? error.message : 'failed', senders },
        503,
      )
    }
  })
  app.notFound((c) => c.json({ status: 'no such path' }, 404))
  return app
}

async function inTime(check: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer for ${CHECK_MS / 1000} s`)), CHECK_MS)
  })
  try {
    await Promise.race([check, late])
  } finally {
    clearTimeout(timer)
  }
}
