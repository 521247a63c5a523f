import { existsSync } from 'node:fs'

import { type Config, migrateSchema, type MigrationStatus, openDatabase, schemaStatus } from '@lhspn/service'

import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { configOf } from '../installation.ts'

/** Brings the schema up to date. Several at once do not collide. @throws DatabaseError */
export async function updateSchema(context: Context): Promise<ExitCode> {
  const { url, password } = configOf(context).database
  const database = await openDatabase(url, { password })
  try {
    await print(await migrateSchema(database), context)
  } finally {
    await database.close()
  }
  return EXIT.done
}

/** Shows what is there and what is due. Nothing is changed, and no SQLite file is made. @throws DatabaseError */
export async function showStatus(context: Context): Promise<ExitCode> {
  const { url, password } = configOf(context).database
  const database = await openDatabase(isMissing(url) ? 'sqlite::memory:' : url, { password })
  try {
    await print(await schemaStatus(database), context)
  } finally {
    await database.close()
  }
  return EXIT.done
}

/** Whether opening it would make a file: one that is not there is an empty database. */
function isMissing(url: Config['database']['url']): boolean {
  return url.startsWith('sqlite:') && url !== 'sqlite::memory:' && !existsSync(url.slice('sqlite:'.length))
}

async function print(statuses: readonly MigrationStatus[], { output }: Context): Promise<void> {
  if (output.json) {
    await output.printJson(...statuses)
    return
  }
  const rows = statuses.map(({ owner, version, latest, applied, pending }) => {
    const state = [
      ...applied.map((name) => `done now: ${name}`),
      ...pending.map((name) => `due: ${name}`),
      ...(version > latest ? ['made by a newer version of LHSPN'] : []),
    ]
    return [owner, String(version), String(latest), state.join(' · ') || 'current']
  })
  await output.printTable([['tables of', 'version', 'latest', 'state'], ...rows])
}
