import { open } from 'node:fs/promises'

import { importDevices, type ImportCounts, type ImportType } from '@lhspn/api'
import { findApp, type Service } from '@lhspn/service'

import type { Context } from '../context.ts'
import { CommandError, type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { configOf, readEnvironment } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { formatCount } from '../output.ts'

/** The flags of `devices import` as they were typed. */
export interface ImportFlags {
  readonly app?: string | undefined
  readonly environment?: string | undefined
}

/** Rows that were turned away are told one by one up to here; beyond, only their count. */
const MAX_FAULTS_SHOWN = 1000

/**
 * Saves devices out of a file or stdin, as they come. Rows that cannot be devices are told with their line and turned
 * away; what was saved before a failure stays, and it may be run again.
 * @throws CommandError `invalid-input`; ServiceError; DatabaseError
 */
export async function importFile(file: string, flags: ImportFlags, context: Context): Promise<ExitCode> {
  const { output } = context
  const faults: InputFault[] = []
  const environment = flags.environment === undefined ? undefined : readEnvironment(flags.environment, faults)
  refuseFaults(faults, 'Nothing was imported')
  const config = configOf(context)
  if (flags.app !== undefined) findApp(config, flags.app)
  const source = file === '-' ? context.stdin : await openFile(file)
  return withService(config, context, async ({ store }, { signal }) => {
    const { type, chunks } = await sniff(source as AsyncIterable<Uint8Array>, signal)
    let shown = 0
    const counts = await save(store, chunks, {
      type,
      environment,
      appFor: (named) => findApp(config, named ?? flags.app).topic,
      onRefused: (fault) => {
        if (++shown <= MAX_FAULTS_SHOWN) output.fault(fault)
        else if (shown === MAX_FAULTS_SHOWN + 1) output.note('Further rows are turned away silently.')
      },
    })
    if (output.json) await output.printJson(counts)
    else {
      const { saved, unchanged, refused } = counts
      await output.print(
        `saved ${formatCount(saved)} · unchanged ${formatCount(unchanged)} · refused ${formatCount(refused)}`,
      )
    }
    return counts.refused > 0 ? EXIT.notAll : EXIT.done
  })
}

async function save(
  store: Service['store'],
  chunks: AsyncIterable<Uint8Array>,
  options: Parameters<typeof importDevices>[2],
): Promise<ImportCounts> {
  try {
    return await importDevices(store, chunks, options)
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ApiError' && 'errors' in error)) throw error
    const faults = (error.errors as readonly { readonly line?: number; readonly detail: string }[]).map((fault) => ({
      flag: 'FILE',
      ...fault,
    }))
    refuseFaults(faults, 'Nothing was imported')
    throw error
  }
}

async function openFile(file: string): Promise<AsyncIterable<Uint8Array>> {
  try {
    const handle = await open(file)
    if ((await handle.stat()).isDirectory()) throw new Error('it is a directory')
    return handle.createReadStream()
  } catch (error) {
    const detail = `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`
    throw new CommandError('invalid-input', `Nothing was imported: ${detail}`, 'Name a file, or - for stdin.', {
      faults: [{ flag: 'FILE', detail }],
      cause: error,
    })
  }
}

const OPENING_BRACE = 0x7b
/** What may stand before the first row: a byte order mark, spaces, line ends. */
const BLANK = new Set([0xef, 0xbb, 0xbf, 0x20, 0x09, 0x0d, 0x0a])

/** CSV or NDJSON: a row of the latter begins with a brace. */
async function sniff(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<{ readonly type: ImportType; readonly chunks: AsyncIterable<Uint8Array> }> {
  const pieces = untilAborted(source, signal)
  const held: Uint8Array[] = []
  let first: number | undefined
  for (;;) {
    const next = await pieces.next()
    if (next.done === true) break
    held.push(next.value)
    first = next.value.find((byte) => !BLANK.has(byte))
    if (first !== undefined) break
  }
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* held
    yield* pieces
  }
  return { type: first === OPENING_BRACE ? 'application/x-ndjson' : 'text/csv', chunks: chunks() }
}

/** A stream that nobody writes to any more must not keep a signal waiting. @throws the signal's reason */
async function* untilAborted(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = source[Symbol.asyncIterator]()
  let abort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
  aborted.catch(() => undefined)
  try {
    for (;;) {
      const next = await Promise.race([chunks.next(), aborted])
      if (next.done === true) return
      yield next.value
    }
  } finally {
    if (abort !== undefined) signal.removeEventListener('abort', abort)
  }
}
