import type { JsonValue } from '@lhspn/apns-protocol'

import type { InputFault } from './errors.ts'

/** A key and its value, as `--data`, `--where` or `--set` give them. */
export type Pair = readonly [key: string, value: JsonValue]

/** Reads `K=V`, which takes V as a string, or `K:=V`, which takes it as JSON. What is wrong goes to `faults`. */
export function readPair(flag: string, text: string, faults: InputFault[]): Pair | undefined {
  const at = text.indexOf('=')
  const isJson = at > 0 && text[at - 1] === ':'
  const key = text.slice(0, isJson ? at - 1 : at)
  const value = text.slice(at + 1)
  if (at < 0 || key === '') {
    faults.push({ flag, detail: `must be KEY=VALUE or KEY:=JSON, not "${text}"` })
    return undefined
  }
  return isJson ? readJson(flag, key, value, faults) : [key, value]
}

function readJson(flag: string, key: string, text: string, faults: InputFault[]): Pair | undefined {
  try {
    const value: JsonValue = JSON.parse(text)
    return [key, value]
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    faults.push({ flag, detail: `${key} is no valid JSON: ${why}` })
    return undefined
  }
}
