import { parse, TomlError } from 'smol-toml'

import type { ConfigFault } from './errors.ts'
import type { Given, GivenApp, GivenKeys } from './given.ts'
import { APP_KEYS, isAppKey, isConfigKey, type Key, KEYS } from './keys.ts'
import { didYouMean } from './nearest.ts'

const KEYS_OF_FILES = namesInFiles(KEYS)
const APP_KEYS_OF_FILES = namesInFiles(APP_KEYS)
const SECTIONS = new Set(KEYS_OF_FILES.map((key) => key.slice(0, key.indexOf('.'))))

/**
 * Reads the TOML text of a configuration file: which keys it gives, unknown ones to `faults`. Values are not checked.
 * @param file path, for messages; undefined where the text came from elsewhere
 */
export function readToml(text: string, file: string | undefined, keys: GivenKeys, faults: ConfigFault[]): GivenApp[] {
  const origin: Omit<Given, 'raw'> = { origin: 'file', ...(file === undefined ? {} : { from: file }) }
  const apps: GivenApp[] = []
  for (const [name, content] of Object.entries(parseText(text, file, faults))) {
    if (name === 'apps') {
      apps.push(...readApps(content, origin, faults))
    } else if (!SECTIONS.has(name)) {
      const kind = isTable(content) ? 'section' : 'key'
      const known = isTable(content) ? [...SECTIONS, 'apps'] : KEYS_OF_FILES
      faults.push({ key: name, detail: `no such ${kind}${didYouMean(name, known)}` })
    } else if (isTable(content)) {
      readSection(name, content, origin, keys, faults)
    } else {
      faults.push({ key: name, detail: `must be a section, [${name}]` })
    }
  }
  return apps
}

function parseText(text: string, file: string | undefined, faults: ConfigFault[]): Record<string, unknown> {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // only the first line: the others show the text itself, which may hold a secret
    const what = (error.message.split('\n', 1)[0] ?? '').replace('Invalid TOML document: ', '')
    faults.push({ key: `${file ?? 'configuration'}:${error.line}:${error.column}`, detail: `no valid TOML: ${what}` })
    return {}
  }
}

function readSection(
  section: string,
  content: Record<string, unknown>,
  origin: Omit<Given, 'raw'>,
  keys: GivenKeys,
  faults: ConfigFault[],
): void {
  for (const [last, raw] of Object.entries(content)) {
    const key = `${section}.${last}`
    if (isConfigKey(key) && KEYS_OF_FILES.includes(key)) keys.set(key, { raw, ...origin })
    else faults.push({ key, detail: `no such key${didYouMean(key, KEYS_OF_FILES)}` })
  }
}

function readApps(content: unknown, origin: Omit<Given, 'raw'>, faults: ConfigFault[]): GivenApp[] {
  if (!Array.isArray(content) || !content.every(isTable)) {
    faults.push({ key: 'apps', detail: 'must be one or more [[apps]] blocks' })
    return []
  }
  return content.map((table, index) => {
    const app: GivenApp = new Map()
    for (const [key, raw] of Object.entries(table)) {
      if (isAppKey(key) && APP_KEYS_OF_FILES.includes(key)) app.set(key, { raw, ...origin })
      else faults.push({ key: `apps[${index}].${key}`, detail: `no such key${didYouMean(key, APP_KEYS_OF_FILES)}` })
    }
    return app
  })
}

function namesInFiles(keys: Readonly<Record<string, Key<unknown>>>): string[] {
  return Object.entries(keys).flatMap(([name, { keptOut }]) => (keptOut ? [] : [name]))
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
