import type { Service } from '@lhspn/service'

import { SIMULATED_TOPIC } from '../../src/simulated-installation.ts'
import { type Apple, HEADS } from './apple.ts'

export const DEVICES = 20_000
/** One of so many devices has a token that Apple refuses, and as many one of which Apple knows that it is gone. */
const REFUSED_EVERY = 500
const SAVED_AT_ONCE = 1_000

/** Registers the devices that every push goes to. */
export async function registerAudience({ store }: Service, { environment }: Apple): Promise<void> {
  for (let from = 0; from < DEVICES; from += SAVED_AT_ONCE)
    await store.save(
      Array.from({ length: SAVED_AT_ONCE }, (_, index) => ({
        app: SIMULATED_TOPIC,
        environment,
        token: tokenOf(from + index),
      })),
    )
}

/** Tokens spread over the whole range, but for those that are refused, or gone. */
function tokenOf(index: number): string {
  return `${headOf(index)}${index.toString(16).padStart(60, '0')}`
}

function headOf(index: number): string {
  if (index % REFUSED_EVERY === 0) return HEADS.refused
  if (index % REFUSED_EVERY === 1) return HEADS.gone
  return (Math.imul(index, 40_503) & 0x7fff).toString(16).padStart(4, '0')
}
