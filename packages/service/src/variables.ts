import type { ConfigFault } from './errors.ts'
import type { GivenApp, GivenKeys } from './given.ts'
import { APP_KEYS, type AppKey, environmentName, isAppKey, isConfigKey, type Key, KEYS } from './keys.ts'
import { didYouMean } from './nearest.ts'

const KEY_NAMES = Object.keys(KEYS).filter(isConfigKey)
const NAMES = new Map(KEY_NAMES.map((key) => [environmentName(key), key]))
const APP_KEY_NAMES = Object.keys(APP_KEYS).filter(isAppKey)
const APP_NAMES = new Map(APP_KEY_NAMES.map((key) => [environmentName(`app.${key}`), key]))
/** Read elsewhere: it names the file itself. */
const FILE_NAME = 'LHSPN_CONFIG'
const SECTIONS = new Set([...NAMES.values()].filter((key) => key.includes('.')).map((key) => key.replace(/\..*/, '')))
const OUR_SECTION = new RegExp(`^(${[...SECTIONS, 'app'].map((section) => environmentName(section)).join('|')})_`)
/** What Kubernetes sets in every pod for a service that is called lhspn, lhspn-app and so on. */
const SERVICE_LINK = /_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP)(_\w+)?)?)$/

/**
 * Reads environment variables: `LHSPN_SENDER_ATTEMPTS` and the like to `keys`, over what is there; `LHSPN_APP_…` to
 * the app that they describe, which may be a new one. Values are not checked, but numbers and booleans are read.
 * @param readFile reads what `…_FILE` variables name; what it throws becomes a fault
 */
export function readVariables(
  variables: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
  keys: GivenKeys,
  apps: GivenApp[],
  faults: ConfigFault[],
): void {
  const app: GivenApp = new Map()
  for (const [name, text] of Object.entries(variables)) {
    if (!name.startsWith('LHSPN_') || text === undefined || name === FILE_NAME) continue
    const plain = name.replace(/_FILE$/, '')
    const key = NAMES.get(plain)
    const appKey = APP_NAMES.get(name) ?? APP_NAMES.get(plain)
    // the value of a path is a path already: its _FILE variant is the same, which serves .p12 too (it is no text)
    const isContent = plain !== name && !APP_NAMES.has(name) && holds(appKey) !== 'path-or-pem'
    if (key === undefined && appKey === undefined) {
      refuseUnknown(name, faults)
    } else if (plain !== name && variables[plain] !== undefined) {
      faults.push({ key: name, detail: `${plain} is set too; only one of both may be` })
    } else {
      const raw = isContent ? contentOf(name, text, readFile, faults) : text
      const origin = { origin: 'environment', from: name } as const
      if (raw === undefined) continue
      if (key !== undefined) keys.set(key, { raw: fromText(KEYS[key], raw), ...origin })
      else if (appKey !== undefined) app.set(appKey, { raw: fromText(APP_KEYS[appKey], raw), ...origin })
    }
  }
  if (app.size > 0) mergeApp(app, apps, faults)
}

/** Other variables of this prefix may belong to others. Those of our sections, and those that look like ours, are mistyped. */
function refuseUnknown(name: string, faults: ConfigFault[]): void {
  if (SERVICE_LINK.test(name)) return
  const suggestion = didYouMean(name, [...NAMES.keys(), ...APP_NAMES.keys(), FILE_NAME])
  if (suggestion !== '' || OUR_SECTION.test(name)) {
    faults.push({ key: name, detail: `no such variable${suggestion}` })
  }
}

function contentOf(
  name: string,
  path: string,
  readFile: (path: string) => string,
  faults: ConfigFault[],
): string | undefined {
  try {
    return readFile(path).replace(/\r?\n$/, '')
  } catch (error) {
    faults.push({ key: name, detail: `cannot be read: ${error instanceof Error ? error.message : String(error)}` })
    return undefined
  }
}

/** A variable is text; numbers and booleans are tried where text as such is not due. */
function fromText(entry: Key<unknown>, text: string): unknown {
  if (entry.holds === 'list') return text === '' ? [] : text.split(',').map((item) => item.trim())
  if (entry.schema.safeParse(text).success) return text
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}

/** The environment describes one app: that of its topic, or the only one. */
function mergeApp(app: GivenApp, apps: GivenApp[], faults: ConfigFault[]): void {
  const topic = app.get('topic')?.raw
  if (topic === undefined && apps.length !== 1) {
    const why = apps.length === 0 ? 'the file has no app' : 'the file has several apps'
    faults.push({ key: 'LHSPN_APP_TOPIC', detail: `missing: other LHSPN_APP_ variables are set, and ${why}` })
    return
  }
  let target = topic === undefined ? apps[0] : apps.find((candidate) => candidate.get('topic')?.raw === topic)
  if (target === undefined) apps.push((target = new Map()))
  for (const [key, value] of app) target.set(key, value)
}

function holds(key: AppKey | undefined): Key<unknown>['holds'] {
  const entry: Key<unknown> | undefined = key === undefined ? undefined : APP_KEYS[key]
  return entry?.holds
}
