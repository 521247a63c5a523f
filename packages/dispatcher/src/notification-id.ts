/*
 * The id of a notification, which Apple calls its `apns-id`: a UUID of version 8 (RFC 9562, section 5.8), big-endian.
 *
 *   bit   bits   what
 *     0     48   number of the push
 *    48      4   version: 8
 *    52     12   mixed from the push's id and the token, as the rest
 *    64      2   variant: binary 10
 *    66     62   mixed
 *
 * It is a label, neither a key nor a secret. It must be the same after a crash and differ between notifications; nobody
 * gains by two that are equal. So it is mixed by multiplications, which cost a tenth of a hash function.
 */

/** What the id of a notification has from its push. */
export interface NumberedPush {
  /** `psh_` and a ULID: makes ids differ between installations whose numbers are the same. */
  readonly id: string
  /** Its number in the database, below 2^48. */
  readonly number: number
}

const NUMBERS = 2 ** 48
const VARIANT = 0x8000

/** Odd, with about as many ones as zeros: a multiplication by them carries every bit into all above it. */
const MULTIPLIER_A = 0x9e3779b1
const MULTIPLIER_B = 0x85ebca77
const MULTIPLIER_C = 0xc2b2ae3d

const HYPHEN = 0x2d
const EIGHT = 0x38
const DIGITS = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0))

// What follows belongs to one call at a time, since none of them waits: the three lanes of the mixer, and room for an id.
let laneA = 0
let laneB = 0
let laneC = 0
const room = Buffer.alloc('xxxxxxxx-xxxx-8xxx-8xxx-xxxxxxxxxxxx'.length, HYPHEN)

/**
 * Gives the ids of a push's notifications by their device tokens (lowercase hex). They depend on nothing else, so that
 * every machine finds the same ones, also after a crash.
 *
 * @throws RangeError for a number that 48 bits do not hold
 */
export function notificationIds({ id, number }: NumberedPush): (token: string) => string {
  if (!Number.isInteger(number) || number < 0 || number >= NUMBERS)
    throw new RangeError(`A push has a whole number below 2^48, not ${number}`)
  const high = Math.floor(number / 0x1_0000)
  const low = number & 0xffff
  laneA = laneB = laneC = 0
  mixIn(id)
  const [a, b, c] = [laneA, laneB, laneC]
  return (token) => {
    laneA = a
    laneB = b
    laneC = c
    mixIn(token)
    finish()
    return render(high, low)
  }
}

/** The same for one notification. */
export function notificationId(push: NumberedPush, token: string): string {
  return notificationIds(push)(token)
}

/** The number of the push to which a notification belongs; undefined for an id that is none of ours. */
export function pushNumberOf(id: string): number | undefined {
  const match = /^([0-9a-f]{8})-([0-9a-f]{4})-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i.exec(id)
  return match === null ? undefined : Number.parseInt(`${match[1]}${match[2]}`, 16)
}

/** Mixes a text into the lanes, character by character. */
function mixIn(text: string): void {
  let a = laneA
  let b = laneB
  let c = laneC
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index) + 1
    // A multiplication carries upwards only: the shift brings the high bits down again.
    a = Math.imul(a ^ unit, MULTIPLIER_A)
    a ^= a >>> 15
    b = Math.imul(b + unit, MULTIPLIER_B)
    b ^= b >>> 13
    c = Math.imul(c ^ unit, MULTIPLIER_C)
    c ^= c >>> 14
  }
  laneA = a
  laneB = b
  laneC = c
}

/** Lets every bit of each lane reach every bit of all. */
function finish(): void {
  for (let round = 0; round < 2; round++) {
    laneA = avalanche((laneA + laneC) | 0)
    laneB = avalanche((laneB + laneA) | 0)
    laneC = avalanche((laneC + laneB) | 0)
  }
}

function avalanche(lane: number): number {
  const half = Math.imul(lane ^ (lane >>> 16), MULTIPLIER_B)
  const whole = Math.imul(half ^ (half >>> 13), MULTIPLIER_C)
  return whole ^ (whole >>> 16)
}

/** @param high the upper 32 bits of the push's number, `low` its other 16 */
function render(high: number, low: number): string {
  write(0, high, 8)
  write(9, low, 4)
  room[14] = EIGHT
  write(15, laneA, 3)
  write(19, VARIANT | ((laneA >>> 12) & 0x3fff), 4)
  write(24, laneB, 4)
  write(28, laneC, 8)
  return room.toString('latin1')
}

/** Writes the lowest digits of a value. */
function write(at: number, value: number, digits: number): void {
  for (let index = at + digits - 1; index >= at; index--) {
    room[index] = DIGITS[value & 15] as number
    value >>>= 4
  }
}
