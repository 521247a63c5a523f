/** Whole numbers as ASCII digits, without a string in between. */
const ZERO = 48

/** How many digits a whole number has, from 0 on. */
export function countDigits(value: number): number {
  let digits = 1
  for (let bound = 10; value >= bound; bound *= 10) digits++
  return digits
}

/** Writes a whole number of so many digits at `at`. */
export function writeDigits(into: Uint8Array, at: number, value: number, digits: number): void {
  let rest = value
  for (let index = at + digits - 1; index >= at; index--) {
    const next = Math.floor(rest / 10)
    into[index] = ZERO + rest - next * 10
    rest = next
  }
}
