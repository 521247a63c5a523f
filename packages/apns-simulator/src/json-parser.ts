import type { Fault } from '@lhspn/apns-protocol'

/** Gives the value as it should be; pushes faults and gives undefined when it is not. */
export type Parser<T> = (value: unknown, pointer: string, faults: Fault[]) => T | undefined

export function check<T>(holds: (value: unknown) => value is T, due: string): Parser<T> {
  return (value, pointer, faults) =>
    holds(value) ? value : fault(faults, pointer, `must be ${due}; it is ${shown(value)}`)
}

export function integer(from: number, to: number): Parser<number> {
  return check(
    (value): value is number =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= from && value <= to,
    to === Number.MAX_SAFE_INTEGER ? `a whole number from ${from}` : `a whole number from ${from} to ${to}`,
  )
}

export function oneOf<const T extends string>(values: readonly T[]): Parser<T> {
  return (value, pointer, faults) =>
    values.find((each) => each === value) ??
    fault(faults, pointer, `must be one of ${values.join(', ')}; it is ${shown(value)}`)
}

export function array<T>(item: Parser<T>): Parser<readonly T[]> {
  return (value, pointer, faults) => {
    if (!Array.isArray(value)) return fault(faults, pointer, `must be a list; it is ${shown(value)}`)
    return value.flatMap((each: unknown, index) => item(each, `${pointer}/${index}`, faults) ?? [])
  }
}

/** `contradiction` names a field and what is wrong with it beside the others. */
export function object<T extends object>(
  fields: { readonly [Key in keyof Required<T>]: Parser<NonNullable<T[Key]>> },
  required: readonly (keyof T & string)[] = [],
  contradiction: (value: T) => readonly [field: keyof T & string, detail: string] | undefined = () => undefined,
): Parser<T> {
  return (value, pointer, faults) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return fault(faults, pointer, `must be an object; it is ${shown(value)}`)
    }
    const faultsBefore = faults.length
    const parsers = new Map<string, Parser<unknown>>(Object.entries(fields))
    const parsed: Record<string, unknown> = {}
    for (const [key, each] of Object.entries(value)) {
      const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      const parser = parsers.get(key)
      if (parser === undefined) fault(faults, at, `is not known here; known are ${[...parsers.keys()].join(', ')}`)
      else if (each !== undefined) parsed[key] = parser(each, at, faults)
    }
    for (const key of required) {
      if (!Object.hasOwn(parsed, key)) fault(faults, `${pointer}/${key}`, 'is missing')
    }
    if (faults.length > faultsBefore || !isWhole<T>(parsed, required)) return undefined
    const wrong = contradiction(parsed)
    return wrong === undefined ? parsed : fault(faults, `${pointer}/${wrong[0]}`, wrong[1])
  }
}

/** What is there went through the parser of its field. */
function isWhole<T extends object>(parsed: object, required: readonly (keyof T)[]): parsed is T {
  return required.every((key) => Object.hasOwn(parsed, key))
}

export function fault(faults: Fault[], pointer: string, detail: string): undefined {
  faults.push({ pointer, detail })
}

export function shown(value: unknown): string {
  const text = value === undefined ? 'undefined' : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
