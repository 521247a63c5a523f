#!/usr/bin/env node
/** Runs the API by itself, configured by the environment and the file that it names. The only file that knows `process`. */
import { type Config, createLogger, loadConfig, openService, type Service, ServiceError } from '@lhspn/service'

import { startServer } from './server.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

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
    await untilSignal()
    log.info('draining: once more ends at once')
    await Promise.all([server.close(), service.drain()])
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
