#!/usr/bin/env node
/** Runs the API by itself, configured by the environment and the file that it names. The only file that knows `process`. */
import { createLogger, loadConfig, openService, ServiceError } from '@lhspn/service'

import { startServer } from './server.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

async function main(): Promise<void> {
  const config = loadConfig(undefined, { variables: process.env })
  const log = createLogger({ ...config.log, isTerminal: process.stderr.isTTY })
  const service = await openService(config, { log })
  try {
    const server = await startServer(service)
    service.startFeedback()
    await untilSignal()
    log.info('draining: once more ends at once')
    await server.close()
  } finally {
    await service.close()
  }
}

/** Resolves at the first signal; the second ends the process as if nobody had listened. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      for (const signal of SIGNALS) process.off(signal, onSignal)
      resolve()
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
