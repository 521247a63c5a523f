import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { loadConfig, type Service } from '@lhspn/service'

import type { Context } from '../context.ts'
import { CommandError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { withService } from '../opened-service.ts'
import { TEMPLATE } from './template.ts'

/**
 * Writes a configuration, makes the database that it (or the environment) names, and a first admin key.
 * @throws CommandError `file-exists`, `unwritable-file`; ServiceError; DatabaseError, with the configuration written
 */
export async function init(context: Context): Promise<ExitCode> {
  const { configFile = 'lhspn.toml', variables, configFlags, output } = context
  await writeTemplate(configFile)
  if (!output.json) await output.print(`wrote ${configFile}`)
  try {
    const config = loadConfig(configFile, { variables, flags: configFlags })
    return await withService(config, context, async (service) => {
      const shown = config.settings.find(({ key }) => key === 'database.url')?.value
      const key = await firstAdminKey(service)
      if (output.json)
        await output.printJson({ config: configFile, database: shown, ...(key !== undefined && { key }) })
      else {
        await output.print(`database ${shown}`)
        if (key !== undefined) await output.print(`admin key ${key}`)
      }
      output.note(
        key === undefined ? 'The database has keys already: lhspn keys list' : 'The key is shown this once: keep it.',
      )
      output.note('Next: lhspn apps add TOPIC --key AuthKey_….p8 --team TEAM')
      return EXIT.done
    })
  } catch (error) {
    output.note(`${configFile} is written. When the database is there: lhspn keys create --scope admin`)
    throw error
  }
}

async function writeTemplate(file: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, TEMPLATE, { flag: 'wx' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new CommandError(
        'file-exists',
        `${file} is there already`,
        'Nothing was written. Edit it, or name another with --config.',
        { cause: error },
      )
    }
    throw new CommandError(
      'unwritable-file',
      `${file} cannot be written: ${String(error)}`,
      'Name another with --config.',
      {
        cause: error,
      },
    )
  }
}

/** Made once: a database that somebody set up before has its keys, and another one would be one too many. */
async function firstAdminKey({ keys }: Service): Promise<string | undefined> {
  const [known] = await keys.list({ limit: 1 })
  if (known !== undefined) return undefined
  return (await keys.create({ scope: 'admin', name: 'first' })).key
}
