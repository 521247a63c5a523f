import type { Migration } from '@lhspn/database'

import { PUSHES } from './0001-pushes.ts'

/** In order; append only. */
export const MIGRATIONS: readonly Migration[] = [PUSHES]
/** Whose sequence this is. */
export const OWNER = 'dispatcher'
