import { existsSync, readFileSync } from 'node:fs'

import { type Config, type ConfigSources, parseConfig } from './config.ts'
import { ServiceError } from './errors.ts'

/** Where a configuration is looked for when nobody names one: the first that exists. */
export const CONFIG_FILES = ['lhspn.toml', '/etc/lhspn/lhspn.toml'] as const

/**
 * Which file is the configuration: the one that the flag names, else the one that `LHSPN_CONFIG` names, else the first
 * of CONFIG_FILES that exists. One that is named need not exist: reading it then says so.
 * @returns undefined where there is none
 */
export function chooseConfigFile(
  named: string | undefined,
  variables: Readonly<Record<string, string | undefined>>,
  exists: (path: string) => boolean = existsSync,
): string | undefined {
  return named ?? (variables['LHSPN_CONFIG'] || CONFIG_FILES.find((path) => exists(path)))
}

/**
 * Chooses, reads and parses the configuration.
 * @param named the file that a flag names, if one does
 * @throws ServiceError `unreadable-file`, `invalid-configuration`
 */
export function loadConfig(named: string | undefined, sources: Pick<ConfigSources, 'variables' | 'flags'>): Config {
  const file = chooseConfigFile(named, sources.variables ?? {})
  const text = file === undefined ? undefined : readText(file)
  return parseConfig({ ...sources, file, text, readFile: (path) => readFileSync(path, 'utf8') })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new ServiceError(
      'unreadable-file',
      `The configuration file cannot be read: ${why}`,
      'Name another with --config or LHSPN_CONFIG, or make one with `lhspn init`.',
      { cause: error },
    )
  }
}
