/** Wakes whoever waits for a change. One that nobody waits for is not kept: look first, then wait. */
export class Signal {
  #wake: (() => void) | undefined
  #next: Promise<void> | undefined

  /** Resolves at the next `fire`. */
  wait(): Promise<void> {
    this.#next ??= new Promise((resolve) => {
      this.#wake = resolve
    })
    return this.#next
  }

  fire(): void {
    this.#wake?.()
    this.#wake = undefined
    this.#next = undefined
  }
}
