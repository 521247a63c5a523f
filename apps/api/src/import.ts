import { z } from '@hono/zod-openapi'
import {
  DeviceStoreError,
  type DeviceStore,
  type Environment,
  parseRegistration,
  type Registration,
} from '@lhspn/device-store'

import { type ImportRow, type ImportType, readRows } from './import-rows.ts'
import { kindOf } from './problem.ts'

export interface ImportOptions {
  readonly type: ImportType
  /** The app that a row is for, by the name in it, if there is one; what it throws about a request is the row's fault. */
  readonly appFor: (named: string | undefined) => string
  /** Of rows that name none. */
  readonly environment?: Environment | undefined
  /** Told of each row that is turned away. */
  readonly onRefused: (fault: ImportFault) => void
}

/** Why a row was turned away; lines count from 1. */
export interface ImportFault {
  readonly line: number
  readonly detail: string
}

export interface ImportCounts {
  /** New, or registered later than what was stored. */
  readonly saved: number
  /** Older than what is stored. */
  readonly unchanged: number
  /** Turned away. */
  readonly refused: number
}

/** Rows that are saved at once. */
const BATCH = 500

export const importReportSchema = z
  .object({
    saved: z.int(),
    unchanged: z.int().openapi({ description: 'Rows older than what is stored.' }),
    refused: z.int().openapi({ description: 'Rows turned away.' }),
    errors: z
      .array(z.object({ line: z.int(), detail: z.string() }))
      .openapi({ description: 'Of the first 1,000 that were turned away.' }),
  })
  .openapi('ImportReport')

/**
 * Saves devices as they come, in the form of an export. Rows that cannot be devices are turned away, one by one; what was
 * saved before a failure stays. May be run again.
 * @throws DatabaseError; ApiError `invalid-request` for a CSV whose first line is unusable; what `chunks` throws
 */
export async function importDevices(
  store: DeviceStore,
  chunks: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportCounts> {
  let saved = 0
  let unchanged = 0
  let refused = 0
  let batch: Registration[] = []
  const flush = async (): Promise<void> => {
    const results = await store.save(batch)
    const stale = results.filter((result) => result.stale).length
    unchanged += stale
    saved += results.length - stale
    batch = []
  }
  for await (const row of readRows(options.type, chunks)) {
    const registration = toRegistration(row, options)
    if ('detail' in registration) {
      refused++
      options.onRefused(registration)
    } else if (batch.push(registration) === BATCH) await flush()
  }
  if (batch.length > 0) await flush()
  return { saved, unchanged, refused }
}

function toRegistration(row: ImportRow, { appFor, environment }: ImportOptions): Registration | ImportFault {
  if ('detail' in row) return row
  const { line, fields } = row
  try {
    const named = fields['app']
    const app = typeof named === 'string' || named === undefined ? appFor(named) : named
    return parseRegistration({ ...(environment && { environment }), ...fields, app }, { import: true })
  } catch (error) {
    if (error instanceof DeviceStoreError) {
      return { line, detail: error.faults.map(({ pointer, detail }) => `${pointer.slice(1)}: ${detail}`).join(' ') }
    }
    const kind = kindOf(error)
    if (kind === 'internal' || kind === 'unavailable') throw error
    return { line, detail: `app: ${(error as Error).message}` }
  }
}
