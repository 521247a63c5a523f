import { readFileSync } from 'node:fs'

export type Header = readonly [name: string, value: string]

/** An integer of RFC 7541, appendix C.1. */
interface IntegerVector {
  readonly name: string
  readonly kind: 'integer'
  readonly hex: string
  readonly fields: { readonly prefixBits: number; readonly value: number }
}

/** Header blocks of one connection, in their order (appendix C.2 to C.6). */
interface BlocksVector {
  readonly name: string
  readonly kind: 'header-blocks'
  readonly fields: { readonly maxTableBytes: number; readonly blocks: readonly Block[] }
}

interface Block {
  readonly hex: string
  readonly headers: readonly Header[]
  /** The dynamic table after the block, newest first. */
  readonly table: readonly Header[]
  readonly tableBytes: number
}

const FILE = new URL('../vectors/hpack.json', import.meta.url)
const entries: readonly (IntegerVector | BlocksVector)[] = JSON.parse(readFileSync(FILE, 'utf8'))

export const INTEGERS = entries.filter((entry) => entry.kind === 'integer')
export const HEADER_BLOCKS = entries.filter((entry) => entry.kind === 'header-blocks')

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}
