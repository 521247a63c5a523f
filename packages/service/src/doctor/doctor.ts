import type { Config } from '../config.ts'
import { failure } from '../finding.ts'
import { examineApp } from './app.ts'
import type { Check, DoctorOptions } from './check.ts'
import { examineDatabase } from './database.ts'
import { examineRedis } from './redis.ts'

/**
 * Checks an installation end to end, one thing after the other. Nothing is changed: no schema, no file, no list of the
 * feedback service, and no notification is sent to any device.
 * @param load reads the configuration; what it throws is what the first check finds
 */
export async function* examine(
  load: () => Config,
  options: DoctorOptions = {},
): AsyncGenerator<Check, void, undefined> {
  let config: Config
  try {
    config = load()
  } catch (error) {
    yield { check: 'configuration', ...failure(error) }
    return
  }
  yield configuration(config)
  yield* examineDatabase(config, options)
  yield* examineRedis(config, options)
  if (config.apps.length === 0) {
    yield { check: 'apps', verdict: 'warn', found: 'no app is configured', remedy: 'Run `lhspn apps add TOPIC`.' }
  }
  for (const app of config.apps) yield* examineApp(config, app, options)
}

function configuration({ file, settings }: Config): Check {
  const counts = new Map<string, number>()
  for (const { origin } of settings) counts.set(origin, (counts.get(origin) ?? 0) + 1)
  const origins = [...counts].map(
    ([origin, count]) => `${count} from ${origin === 'default' ? 'defaults' : `the ${origin}`}`,
  )
  const found = `${file ?? 'no file'}: ${origins.join(', ')}`
  const check = 'configuration'
  if (file !== undefined || counts.has('environment')) return { check, verdict: 'ok', found }
  return { check, verdict: 'warn', found, remedy: 'Run `lhspn init`, or name the file with --config.' }
}
