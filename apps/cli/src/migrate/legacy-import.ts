import { readFile } from 'node:fs/promises'

import { shortenDeviceToken } from '@lhspn/apns-protocol'
import type { LegacyImport, LegacyReport } from '@lhspn/device-store'

import type { Context } from '../context.ts'
import { CommandError, type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { scopeOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { formatCount } from '../output.ts'

/** The flags of `migrate` as they were typed. */
export interface MigrateFlags {
  readonly status?: true | undefined
  readonly legacy?: string | undefined
  readonly legacyPasswordFile?: string | undefined
  readonly app?: string | undefined
  readonly table?: string | undefined
}

/** Which table to import, and for which app. */
export interface LegacySource {
  readonly url: string
  readonly password: string | undefined
  readonly app: string | undefined
  readonly table: string | undefined
}

/** Of what stood in a row, so much is shown. */
const SHOWN = 120

/** @returns undefined where no table is to be imported @throws CommandError `invalid-input` */
export async function readMigrateFlags(flags: MigrateFlags): Promise<LegacySource | undefined> {
  const faults: InputFault[] = []
  const { status, legacy: url, app, table, legacyPasswordFile } = flags
  if (url === undefined) {
    const beside = Object.entries({ '--legacy-password-file': legacyPasswordFile, '--app': app, '--table': table })
    for (const [flag, value] of beside) {
      if (value !== undefined) faults.push({ flag, detail: 'belongs to --legacy, which is missing' })
    }
  } else {
    if (status === true) faults.push({ flag: '--status', detail: 'cannot stand beside --legacy' })
    // a person sees at once what is wrong with it, while the password in it is shown to nobody
    if (!/^(mysql:\/\/[^/]+\/[^/]+|sqlite:.+)$/.test(url))
      faults.push({ flag: '--legacy', detail: 'must be mysql://USER@HOST/DATABASE' })
    if (table !== undefined && !/^[A-Za-z0-9_$]{1,64}$/.test(table))
      faults.push({ flag: '--table', detail: `must be the name of a table, not ${JSON.stringify(table)}` })
  }
  const password = legacyPasswordFile === undefined ? undefined : await readPassword(legacyPasswordFile, faults)
  refuseFaults(faults, 'Nothing was imported')
  return url === undefined ? undefined : { url, password, app, table }
}

async function readPassword(file: string, faults: InputFault[]): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    faults.push({ flag: '--legacy-password-file', detail: `cannot be read: ${why}` })
    return undefined
  }
}

/**
 * Takes over the devices of an old table, after the schema was brought up to date. Everything that could not be taken as
 * it was is told: on stderr for people, with shortened tokens, or whole, as objects, with `--json`.
 */
export function importLegacyTable(source: LegacySource, context: Context): Promise<ExitCode> {
  const { config, app } = scopeOf(context, source.app, 'production')
  const { output } = context
  return withService(config, context, async ({ store }, { signal }) => {
    const { url, password, table } = source
    let reports = 0
    let printed: Promise<void> | undefined
    const onReport = (report: LegacyReport): void => {
      reports++
      // lines go out in order: when the last one is out, all are
      if (output.json) printed = output.printJson(report)
      else output.note(describe(report))
    }
    let count: LegacyImport
    try {
      count = await store.importLegacy(url, { app: app.topic, password, table, signal, onReport })
    } catch (error) {
      throw explain(error, source)
    } finally {
      await printed
    }
    if (output.json) await output.printJson({ app: app.topic, ...count, reports })
    else await output.print(summaryOf(count))
    if (reports > 0) {
      const what = formatCount(reports, 'report')
      output.note(`${what} above; with --json they are on stdout, with what stood there. It may be run again.`)
    }
    return EXIT.done
  })
}

function summaryOf({ saved, unchanged, refused }: LegacyImport): string {
  return `saved ${formatCount(saved)} · unchanged ${formatCount(unchanged)} · refused ${formatCount(refused)}`
}

function describe({ token, kind, detail, original }: LegacyReport): string {
  // a refused token is what stood there, and the text about it shows it already
  const shown = kind === 'refused' ? '' : ` It was ${JSON.stringify(withoutTokens(original))}`
  return `${kind} ${JSON.stringify(shortenDeviceToken(token))}: ${detail}${shown}`
}

/** No whole device token gets to stderr, also where one stands inside of something else. */
function withoutTokens(text: string): string {
  const short = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
  return short.replaceAll(/[0-9a-fA-F]{32,}/g, shortenDeviceToken)
}

/** What the database says of the table that was named is about what was typed. */
function explain(error: unknown, { table = 'LHSPNservice_devices' }: LegacySource): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error
  const cause = error.cause as { readonly errno?: number } | undefined
  const isNoTable = cause?.errno === 1146 || (error.code === 'failed' && error.message.includes('no such table'))
  if (!isNoTable && error.code !== 'invalid-url') return error
  const flag = isNoTable ? '--table' : '--legacy'
  const detail = isNoTable ? `there is no table ${table} in that database` : error.message
  return new CommandError('invalid-input', `Nothing was imported: ${flag}: ${detail}`, 'Correct it.', {
    faults: [{ flag, detail }],
    cause: error,
  })
}
