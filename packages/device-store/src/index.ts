export {
  type Attributes,
  type AttributeValue,
  MAX_ATTRIBUTES,
  MAX_ATTRIBUTES_BYTES,
  MAX_KEY_LENGTH,
  MAX_TEXT_LENGTH,
  parseAttributes,
} from './attributes.ts'
export {
  type Audience,
  type Filter,
  matches,
  MAX_AUDIENCE_TOKENS,
  MAX_FILTER_DEPTH,
  MAX_FILTER_PAIRS,
  parseAudience,
  parseFilter,
} from './audience.ts'
export {
  type DeviceStore,
  type FindQuery,
  type IdQuery,
  type Query,
  type RemovalOptions,
  type SaveOptions,
  type TokenQuery,
  type WriteOptions,
} from './device-store.ts'
export {
  type Changes,
  type Device,
  type Environment,
  isApplePlatform,
  parseChanges,
  parseRegistration,
  type Registration,
  type RemovalCause,
  type Tombstone,
} from './device.ts'
export { DeviceStoreError, type DeviceStoreErrorCode } from './errors.ts'
export type { LegacyImport, LegacyImportOptions } from './import-legacy.ts'
export { type LegacyReport, splitOsVersion } from './legacy-row.ts'
export { MIGRATIONS as DEVICE_STORE_MIGRATIONS, OWNER as DEVICE_STORE_OWNER } from './migrations/index.ts'
export { openDeviceStore, type OpenDeviceStoreOptions } from './open.ts'
export type { Known } from './statements/ids.ts'
export type { Saved } from './statements/save.ts'
export type { Member } from './statements/members.ts'
