import type { Database } from '@lhspn/database'

import type { DeviceStore } from './device-store.ts'
import type { LegacyImport, LegacyImportOptions } from './legacy-row.ts'

export async function importLegacy(
  _: DeviceStore,
  _source: string | Database,
  _options: LegacyImportOptions,
): Promise<LegacyImport> {
  return { saved: 0 }
}
