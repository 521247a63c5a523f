#!/usr/bin/env node
/** Runs the API by itself, configured by the environment and the file that it names. The only file that knows `process`. */
import { type Config, createLogger, loadConfig, openService, type Service, ServiceError } from '@lhspn/service'

import { startServer } from './server.ts'

/** With what a process ends that a signal has ended before it had drained. */
const EXIT_CODES = { SIGTERM: 143, SIGINT: 130 } as const
const SIGNALS = ['SIGTERM', 'SIGINT'] as const
type Signal = (typeof SIGNALS)[number]

function read(): Config {
  return loadConfig(undefined, { variables: process.env })
}

async function main(): Promise<void> {
  const config = read()
  const log = createLogger({ ...config.log, isTerminal: process.stderr.isTTY })
  const service = await openService(config, { log, dispatch: true })
  try {
    const server = await startServer(service)
    service.startFeedback()
    process.on('SIGHUP', () => void reload(service))
    const signal = await untilSignal()
    log.info('draining: once more ends at once')
    const [, hasDrained] = await Promise.all([server.close(), service.drain()])
    if (hasDrained) return
    log.warn('not drained in time: what was in flight is left to the next process, and sent again')
    process.exitCode = EXIT_CODES[signal]
  } finally {
    await service.close()
  }
}

/** Takes over the apps as they stand now; what is wrong with them changes nothing. */
async function reload(service: Service): Promise<void> {
  try {
    await service.reload(read())
  } catch (error) {
    service.log.error({ err: error }, 'configuration: not read again, everything stays as it was')
  }
}

/** Resolves at the first signal; the second ends the process as if nobody had listened. */
function untilSignal(): Promise<Signal> {
  return new Promise((resolve) => {
    const onSignal = (received: Signal): void => {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      resolve(received)
    }
    for (const signal of SIGNALS) process.on(signal, onSignal)
  })
}

try {
  await main()
} catch (error) {
  const remedy = error instanceof Error && 'remedy' in error ? `\n${String(error.remedy)}` : ''
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}${remedy}\n`)
  process.exitCode = error instanceof ServiceError ? 5 : 1
}
