import type { Audience, DeviceStore } from '@lhspn/device-store'

import type { Push } from './push.ts'

/** Duplicates are found among so many tokens of an audience; beyond, the memory for it would have no bound. */
const MOST_REMEMBERED = 1_000_000

/** How many devices a push addresses now; undefined where nobody can know. */
export async function countMembers(store: DeviceStore, push: Push): Promise<number | undefined> {
  const { audience, ...scope } = scopeOf(push)
  if ('stream' in audience) return undefined
  if ('tokens' in audience) return new Set(audience.tokens).size
  return store.countTokens({ ...scope, ...filterOf(audience) })
}

/**
 * Streams the tokens that a push addresses, in arrays of at most `size`: explicit ones as they are, each once (those of a
 * stream as often as they come); else the devices that match, without refused ones and those of platforms that are not Apple's.
 */
export async function* members(store: DeviceStore, push: Push, size: number): AsyncGenerator<readonly string[]> {
  const { audience, ...scope } = scopeOf(push)
  if ('tokens' in audience) {
    yield* slices(unique(audience.tokens), size)
    return
  }
  if ('stream' in audience) {
    for await (const tokens of audience.stream) yield* slices(tokens, size)
    return
  }
  for await (const page of store.findTokens({ ...scope, ...filterOf(audience) })) {
    yield* slices(
      page.map(({ token }) => token),
      size,
    )
  }
}

function scopeOf({ app, environment, audience }: Push): Pick<Push, 'app' | 'environment' | 'audience'> {
  return { app, environment, audience }
}

function filterOf(audience: Exclude<Audience, { readonly tokens: readonly string[] }>) {
  return 'filter' in audience ? { filter: audience.filter } : {}
}

function unique(tokens: readonly string[]): readonly string[] {
  return tokens.length <= MOST_REMEMBERED
    ? [...new Set(tokens)]
    : [...new Set(tokens.slice(0, MOST_REMEMBERED)), ...tokens.slice(MOST_REMEMBERED)]
}

function* slices(tokens: readonly string[], size: number): Generator<readonly string[]> {
  for (let at = 0; at < tokens.length; at += size) yield tokens.slice(at, at + size)
}
