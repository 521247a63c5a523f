import type { AppKey, ConfigKey } from './keys.ts'

/** Where a value came from. Flags win over the environment, the environment over the file, the file over defaults. */
export type Origin = 'flag' | 'environment' | 'file' | 'default'

/** A value as it was written, not yet checked, and by whom. */
export interface Given {
  readonly raw: unknown
  readonly origin: Origin
  /** The variable's name, or the file's path. */
  readonly from?: string
}

/** What was written outside of `[[apps]]`; a later source overwrites an earlier one. */
export type GivenKeys = Map<ConfigKey, Given>
/** What was written about one app. */
export type GivenApp = Map<AppKey, Given>
