import { randomBytes } from 'node:crypto'

/** Who has leased something: 63 random bits for each time. */
export function newOwner(): bigint {
  return randomBytes(8).readBigUInt64BE() >> 1n
}
