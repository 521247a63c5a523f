import type { Migration } from '@lhspn/database'

import { DEVICES } from './0001-devices.ts'

/** In order; append only. */
export const MIGRATIONS: readonly Migration[] = [DEVICES]
/** Whose sequence this is. */
export const OWNER = 'device-store'
