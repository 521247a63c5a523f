import { readFileSync } from 'node:fs'

/** A golden vector: bytes made by a program that shares no code with this package, and what they mean. */
export interface Vector {
  readonly name: string
  readonly kind: string
  readonly bytes: Uint8Array
  readonly fields: Fields
}

export interface Fields {
  readonly command?: number
  readonly identifier?: number
  readonly expiry?: number
  readonly priority?: number
  readonly status?: number
  readonly tokenHex?: string
  readonly tokenHexes?: readonly string[]
  readonly payloadUtf8?: string
  readonly itemOrder?: readonly number[]
  readonly commands?: readonly number[]
  readonly identifiers?: readonly (number | null)[]
  readonly frameLengths?: readonly number[]
  readonly tuples?: readonly { readonly timestamp: number; readonly tokenHex: string }[]
  readonly trailingBytes?: number
}

interface Entry {
  readonly name: string
  readonly kind: string
  readonly hex: string
  readonly fields: Fields
}

const FILE = new URL('../vectors/gateway.json', import.meta.url)
const entries: readonly Entry[] = JSON.parse(readFileSync(FILE, 'utf8'))

/** The vectors of these kinds; at least one of each, or a test over them could not fail. */
export function vectors(...kinds: readonly string[]): Vector[] {
  for (const kind of kinds)
    if (!entries.some((entry) => entry.kind === kind)) throw new Error(`no vector of kind ${kind}`)
  return entries
    .filter((entry) => kinds.includes(entry.kind))
    .map(({ name, kind, hex, fields }) => ({ name, kind, fields, bytes: Uint8Array.from(Buffer.from(hex, 'hex')) }))
}

/** The bytes whole, cut once at every byte, and byte by byte. */
export function* everyCut(bytes: Uint8Array): Generator<Uint8Array[]> {
  yield [bytes]
  for (let cut = 0; cut <= bytes.length; cut++) yield [bytes.slice(0, cut), bytes.slice(cut)]
  yield [...bytes].map((byte) => Uint8Array.of(byte))
}

/** Cuts `bytes` into pieces of these lengths, again and again; a length of 0 gives an empty chunk. */
export function cutInto(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let start = 0
  for (let turn = 0; start < bytes.length; turn++) {
    const end = start + (lengths[turn % lengths.length] ?? bytes.length) + (turn >= lengths.length ? 1 : 0)
    chunks.push(bytes.slice(start, end))
    start = end
  }
  return chunks
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
