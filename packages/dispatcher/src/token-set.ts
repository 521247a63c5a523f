const LOAD = 0.5
const FIRST_SLOTS = 4096
/** Bytes a block of tokens: a token is never split. */
const BLOCK_BYTES = 1 << 20
const LENGTH_BYTES = 1

/**
 * Device tokens, each once, as their bytes: a third of what a Set of their hex would take. `add` answers whether a token
 * is new. Exact: nothing is told by a hash alone. Holds what its maker lets it hold.
 */
export class TokenSet {
  /** Places of tokens, + 1; 0 = free. A place is block × BLOCK_BYTES + offset: 4,096 blocks fit. */
  #slots = new Uint32Array(FIRST_SLOTS)
  #size = 0
  readonly #blocks: Buffer[] = []
  #end = BLOCK_BYTES
  readonly #scratch = Buffer.alloc(256)

  get size(): number {
    return this.#size
  }

  /** @param token lowercase hex of 1 to 100 bytes */
  add(token: string): boolean {
    const length = this.#scratch.write(token, 'hex')
    let slot = this.#slotOf(this.#scratch, 0, length)
    if (this.#slots[slot] !== 0) return false
    if (this.#size + 1 > this.#slots.length * LOAD) {
      this.#grow()
      slot = this.#slotOf(this.#scratch, 0, length)
    }
    this.#slots[slot] = this.#append(length) + 1
    this.#size++
    return true
  }

  /** The slot that holds these bytes, or the free one where they belong. */
  #slotOf(bytes: Buffer, start: number, length: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hash(bytes, start, length) & mask; ; slot = (slot + 1) & mask) {
      const place = (this.#slots[slot] as number) - 1
      if (place < 0 || this.#isAt(place, bytes, start, length)) return slot
    }
  }

  #isAt(place: number, bytes: Buffer, start: number, length: number): boolean {
    const block = this.#blocks[Math.floor(place / BLOCK_BYTES)] as Buffer
    const at = place % BLOCK_BYTES
    if (block[at] !== length) return false
    const from = at + LENGTH_BYTES
    return block.compare(bytes, start, start + length, from, from + length) === 0
  }

  #append(length: number): number {
    if (this.#end + LENGTH_BYTES + length > BLOCK_BYTES) {
      this.#blocks.push(Buffer.allocUnsafeSlow(BLOCK_BYTES))
      this.#end = 0
    }
    const block = this.#blocks.at(-1) as Buffer
    const place = (this.#blocks.length - 1) * BLOCK_BYTES + this.#end
    block[this.#end] = length
    this.#scratch.copy(block, this.#end + LENGTH_BYTES, 0, length)
    this.#end += LENGTH_BYTES + length
    return place
  }

  #grow(): void {
    const places = this.#slots.filter((place) => place !== 0)
    this.#slots = new Uint32Array(this.#slots.length * 2)
    for (const stored of places) {
      const block = this.#blocks[Math.floor((stored - 1) / BLOCK_BYTES)] as Buffer
      const at = (stored - 1) % BLOCK_BYTES
      this.#slots[this.#slotOf(block, at + LENGTH_BYTES, block[at] as number)] = stored
    }
  }
}

/** FNV-1a, mixed once more: neighbouring tokens must not share neighbouring slots. */
function hash(bytes: Uint8Array, start: number, length: number): number {
  let value = 0x811c9dc5
  for (let at = start; at < start + length; at++) value = Math.imul(value ^ (bytes[at] as number), 0x01000193)
  return (value ^ (value >>> 15)) >>> 0
}
