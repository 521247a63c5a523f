import { didYouMean } from '@lhspn/service'
import type { z } from 'zod'

import type { RequestFault } from './problem.ts'

/** Most faults that one answer lists. */
const MAX_FAULTS = 100
const MAX_POINTER_STEP = 100
const MAX_DEPTH = 32

/** Where a value stood: names of parameters are theirs alone, everything else is a pointer into the body. */
export type Place = 'parameter' | 'body'

/**
 * Checks a value by a schema.
 * @param faults gets what is wrong, each with its place
 * @returns undefined where something is wrong
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, place: Place, faults: RequestFault[]): T | undefined {
  const answer = schema.safeParse(value, { reportInput: true })
  if (answer.success) return answer.data
  for (const issue of answer.error.issues) {
    for (const fault of faultsOf(issue, schema, place)) if (faults.length < MAX_FAULTS) faults.push(fault)
  }
  return undefined
}

/** A key as one step of a JSON pointer (RFC 6901), cut where nobody would read on. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path
    .map((step) => `/${String(step).slice(0, MAX_POINTER_STEP).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
}

/**
 * What JSON may say and no database or other program keeps as it was said: half a surrogate pair, a whole number beyond
 * 2^53, a number that is infinite; and nesting that no value of ours has.
 */
export function faultsOfJson(value: unknown): RequestFault[] {
  const faults: RequestFault[] = []
  const visit = (found: unknown, path: readonly string[]): void => {
    if (faults.length >= MAX_FAULTS) return
    const detail = path.length > MAX_DEPTH ? `Must not be nested more than ${MAX_DEPTH} deep.` : faultOfLeaf(found)
    if (detail !== undefined) faults.push({ pointer: pointerOf(path), detail })
    if (detail !== undefined || typeof found !== 'object' || found === null) return
    for (const [key, inner] of Object.entries(found)) {
      if (!isWellFormed(key)) faults.push({ pointer: pointerOf(path), detail: 'A key has half a surrogate pair.' })
      visit(inner, [...path, key])
    }
  }
  visit(value, [])
  return faults
}

function faultOfLeaf(value: unknown): string | undefined {
  if (typeof value === 'string') return isWellFormed(value) ? undefined : 'Must not have half a surrogate pair.'
  if (typeof value !== 'number') return undefined
  if (!Number.isFinite(value)) return 'Must be a finite number.'
  return Number.isInteger(value) && !Number.isSafeInteger(value)
    ? 'Whole numbers go up to 2^53 - 1; send text.'
    : undefined
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

function faultsOf(issue: z.core.$ZodIssue, schema: z.ZodType, place: Place): RequestFault[] {
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path.length === 0 ? keysOf(schema) : []
    return issue.keys.map((key) => ({
      ...placeOf(place, [...issue.path, key]),
      detail: `There is no such ${place === 'body' ? 'field' : 'parameter'}${didYouMean(key, known) || '.'}`,
    }))
  }
  return [{ ...placeOf(place, issue.path), detail: sentenceOf(issue) }]
}

function placeOf(place: Place, path: readonly PropertyKey[]): Omit<RequestFault, 'detail'> {
  if (place === 'body') return { pointer: pointerOf(path) }
  const [parameter, ...inside] = path
  return { parameter: String(parameter), ...(inside.length > 0 && { pointer: pointerOf(inside) }) }
}

function keysOf(schema: z.ZodType): string[] {
  return 'shape' in schema && typeof schema.shape === 'object' && schema.shape !== null ? Object.keys(schema.shape) : []
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') {
    return issue.input === undefined ? 'Missing.' : `Must be ${KINDS_OF_VALUE[issue.expected] ?? issue.expected}.`
  }
  if (issue.code === 'invalid_value') return `Must be ${issue.values.map(String).join(' or ')}.`
  if (issue.code === 'too_small') {
    return issue.origin === 'string' ? 'Must not be empty.' : `Must be ${issue.minimum} or more.`
  }
  if (issue.code === 'too_big') {
    const { origin, maximum } = issue
    return origin === 'string' ? `Must not be longer than ${maximum} characters.` : `Must be ${maximum} or less.`
  }
  return issue.message // the schema's own words
}

const KINDS_OF_VALUE: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'an array',
  null: 'null',
}
