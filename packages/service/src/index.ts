export type { DatabaseErrorCode, MigrationStatus } from '@lhspn/database'
export { openDatabase } from '@lhspn/database'
export {
  type ApiKey,
  ApiKeys,
  type ApiKeysOptions,
  type Caller,
  type NewApiKey,
  type Scope,
  SCOPES,
} from './api-keys.ts'
export { type AppDescription, describeApp, type EnvironmentDescription } from './app-description.ts'
export {
  type AppConfig,
  credentialKeyOf,
  ENVIRONMENTS,
  type Environment,
  type Interface,
  interfaceOf,
} from './app-config.ts'
export { findApp, openFeedback, openSender, readCertificate, readCredentials, serverOf } from './apps.ts'
export { type Config, type ConfigSources, parseConfig, type Setting } from './config.ts'
export { chooseConfigFile, CONFIG_FILES, loadConfig } from './config-file.ts'
export { type Check, type DoctorOptions, examine, type Verdict } from './doctor.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { type ConfigFault, ServiceError, type ServiceErrorCode, type ServiceErrorOptions } from './errors.ts'
export type { Origin } from './given.ts'
export type { AppKey, ConfigKey, LogFormat, LogLevel, RateLimit } from './keys.ts'
export { createLogger, type Logger, type LoggerOptions } from './logger.ts'
export { didYouMean, nearest } from './nearest.ts'
export { migrateSchema, schemaStatus } from './schema.ts'
export type { SenderState } from './senders.ts'
export { openService, type OpenServiceOptions, type Service } from './service.ts'
