/** What an entry costs besides its name and value (RFC 7541, section 4.1). */
export const ENTRY_OVERHEAD_BYTES = 32
const NO_BYTES = new Uint8Array(0)

/**
 * The dynamic table of HPACK (RFC 7541, section 2.3.2): newest first, the oldest leave where room is needed.
 *
 * Entries are a ring, their values lie one behind the other in a ring of bytes: nothing is moved and, once the rings
 * are there, nothing is made. A value is never split. That wastes the end of the bytes now and then, and with twice the
 * table's size of them there is room nevertheless: all that lives fits once, and so does the value that did not.
 */
export class DynamicTable {
  #capacity: number
  #names: string[] = []
  #starts = new Uint32Array(0)
  #ends = new Uint32Array(0)
  /** Slots of the ring of entries, a power of two, minus one. */
  #mask = 0
  #values = NO_BYTES
  /** Slot of the newest entry. */
  #newest = 0
  #count = 0
  /** Sum of the entries' sizes: names, values and 32 bytes each. */
  #bytes = 0

  /** @param capacity bytes, by the count of RFC 7541 */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get count(): number {
    return this.#count
  }

  get bytes(): number {
    return this.#bytes
  }

  get capacity(): number {
    return this.#capacity
  }

  /** Where the values are; `startOf` and `endOf` are offsets in it. Another one after a change of capacity. */
  get values(): Uint8Array {
    return this.#values
  }

  /** @param index 0 is the newest; below `count` */
  nameOf(index: number): string {
    return this.#names[(this.#newest - index) & this.#mask]!
  }

  startOf(index: number): number {
    return this.#starts[(this.#newest - index) & this.#mask]!
  }

  endOf(index: number): number {
    return this.#ends[(this.#newest - index) & this.#mask]!
  }

  /** Adds an entry and evicts what it takes the room of; one larger than the table leaves it empty. */
  add(name: string, bytes: Uint8Array, start: number, end: number): void {
    const size = name.length + end - start + ENTRY_OVERHEAD_BYTES
    this.#evictTo(this.#capacity - size)
    if (size > this.#capacity) return
    if (this.#values.length === 0) this.#allocate()
    const values = this.#values
    let at = this.#count === 0 ? 0 : this.#ends[this.#newest]!
    if (at + end - start > values.length) at = 0
    const newest = (this.#newest + 1) & this.#mask
    this.#newest = newest
    this.#names[newest] = name
    this.#starts[newest] = at
    for (let from = start; from < end; from++) values[at++] = bytes[from]!
    this.#ends[newest] = at
    this.#count++
    this.#bytes += size
  }

  /** Changes the capacity; the oldest entries leave until the rest fits. */
  resize(capacity: number): void {
    this.#evictTo(capacity)
    this.#capacity = capacity
    if (this.#values.length > 0 && this.#values.length < 2 * capacity) this.#allocate()
  }

  #evictTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const oldest = this.#count - 1
      this.#bytes -= this.nameOf(oldest).length + this.endOf(oldest) - this.startOf(oldest) + ENTRY_OVERHEAD_BYTES
      this.#count--
    }
  }

  /** Makes rings that are large enough for the capacity, with the entries that there are. */
  #allocate(): void {
    const names: string[] = []
    const values: Uint8Array[] = []
    for (let index = this.#count - 1; index >= 0; index--) {
      names.push(this.nameOf(index))
      values.push(this.#values.subarray(this.startOf(index), this.endOf(index)))
    }
    let slots = 1
    while (slots * ENTRY_OVERHEAD_BYTES < this.#capacity) slots *= 2
    this.#names = Array.from({ length: slots }, () => '')
    this.#starts = new Uint32Array(slots)
    this.#ends = new Uint32Array(slots)
    this.#values = new Uint8Array(2 * this.#capacity)
    this.#mask = slots - 1
    this.#newest = this.#count = this.#bytes = 0
    for (const [index, name] of names.entries()) this.add(name, values[index]!, 0, values[index]!.length)
  }
}
