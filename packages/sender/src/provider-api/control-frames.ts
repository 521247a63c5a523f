/** Small frames that wait to be written, in order: answers to the peer's, resets, window updates. Rarely any. */
export class ControlFrames {
  #bytes = new Uint8Array(256)
  #length = 0

  /** Bytes that wait. */
  get length(): number {
    return this.#length
  }

  /** Adds a frame of at most `most` bytes, which `encode` writes at an offset, answering the offset behind it. */
  add(most: number, encode: (into: Uint8Array, at: number) => number): void {
    if (this.#length + most > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.#length + most))
      larger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = larger
    }
    this.#length = encode(this.#bytes, this.#length)
  }

  /** Moves what fits from `at` to before `end`; the rest stays. Answers the offset behind. */
  take(into: Uint8Array, at: number, end: number): number {
    const count = Math.min(this.#length, end - at)
    into.set(this.#bytes.subarray(0, count), at)
    this.#bytes.copyWithin(0, count, this.#length)
    this.#length -= count
    return at + count
  }
}
