import { parseDeviceToken } from '@lhspn/apns-protocol'
import {
  type AppConfig,
  type Config,
  didYouMean,
  type Environment,
  ENVIRONMENTS,
  findApp,
  loadConfig,
} from '@lhspn/service'

import type { Context } from './context.ts'
import type { InputFault } from './errors.ts'

/** Which app, and in which of its environments. */
export interface Scope {
  readonly config: Config
  readonly app: AppConfig
  readonly environment: Environment
}

/** The effective configuration. @throws ServiceError */
export function configOf(context: Context): Config {
  return loadConfig(context.configFile, { variables: context.variables, flags: context.configFlags })
}

/** The app and environment that flags name. @throws ServiceError */
export function scopeOf(context: Context, topic: string | undefined, environment: Environment): Scope {
  const config = configOf(context)
  return { config, app: findApp(config, topic), environment }
}

/** Reads `--environment`: production unless said otherwise, never guessed. What is wrong goes to `faults`. */
export function readEnvironment(text: string | undefined, faults: InputFault[]): Environment {
  const environment = ENVIRONMENTS.find((name) => name === (text ?? 'production'))
  if (environment !== undefined) return environment
  const detail = `must be production or sandbox, not "${text}"${didYouMean(text ?? '', ENVIRONMENTS)}`
  faults.push({ flag: '--environment', detail })
  return 'production'
}

/** Reads a device token in whatever spelling; `''` where it is none, which goes to `faults`. */
export function readToken(flag: string, text: string, faults: InputFault[]): string {
  try {
    return parseDeviceToken(text)
  } catch (error) {
    faults.push({ flag, detail: error instanceof Error ? error.message : String(error) })
    return ''
  }
}
