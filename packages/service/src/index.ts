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
export { type AppConfig, ENVIRONMENTS, type Environment, interfaceOf } from './app-config.ts'
export {
  findApp,
  openFeedback,
  openSender,
  readCertificate,
  readCredentials,
  sendingInterface,
  serverOf,
} from './apps.ts'
export { type Config, type ConfigSources, parseConfig, type Setting } from './config.ts'
export { chooseConfigFile, CONFIG_FILES, loadConfig } from './config-file.ts'
export type { Check, DoctorOptions } from './doctor/check.ts'
export { examine } from './doctor/doctor.ts'
export { formatDuration, parseDuration } from './duration.ts'
export { type ConfigFault, ServiceError, type ServiceErrorCode, type ServiceErrorOptions } from './errors.ts'
export type { Finding, Verdict } from './finding.ts'
export type { Origin } from './given.ts'
export type { AppKey, ConfigKey, LogFormat, LogLevel, RateLimit } from './keys.ts'
export { createLogger, type Logger, type LoggerOptions } from './logger.ts'
export { didYouMean, nearest } from './nearest.ts'
export type { CredentialsFinding } from './probe/judgement.ts'
export { probe, type Probe, type ProbeOptions } from './probe/probe.ts'
export { migrateSchema, schemaStatus } from './schema.ts'
export type { SenderState } from './senders.ts'
export { openService, type OpenServiceOptions, type Service } from './service.ts'
