import { DatabaseError, type DatabaseErrorCode } from '@lhspn/database'

import type { Registration } from './device.ts'
import type { Saved, SaveRules } from './statements/save.ts'

export type Rules = Omit<SaveRules, 'now'>

/** Saves registrations of one app in one transaction. */
type SaveTogether = (app: string, registrations: readonly Registration[], rules: Rules) => Promise<readonly Saved[]>

interface Waiting {
  readonly registration: Registration
  readonly rules: Rules
  readonly resolve: (saved: Saved) => void
  readonly reject: (error: unknown) => void
}

/** Faults that one row may have caused; of all others everybody in the transaction has the same. */
const OF_ONE_ROW: ReadonlySet<DatabaseErrorCode> = new Set(['constraint', 'failed'])

/**
 * Saves of single devices, as the HTTP API makes them: those that come in one turn of the event loop, or while all
 * transactions are under way, share the next one. A transaction costs a flush and some statements whether it saves one
 * device or a hundred, so that under load this is several times as fast; one that comes alone waits for a turn.
 */
export class SharedSaves {
  readonly #saveTogether: SaveTogether
  readonly #transactions: number
  readonly #most: number
  #waiting: Waiting[] = []
  #running = 0
  #scheduled = false

  /**
   * @param transactions that may be under way at once
   * @param most registrations in one of them
   */
  constructor(saveTogether: SaveTogether, transactions: number, most: number) {
    this.#saveTogether = saveTogether
    this.#transactions = transactions
    this.#most = most
  }

  save(registration: Registration, rules: Rules): Promise<Saved> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ registration, rules, resolve, reject })
      this.#start()
    })
  }

  /** Not at once: SQLite works in this thread, and would have saved the first one before the second is even read. */
  #start(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#runAll()
    })
  }

  #runAll(): void {
    while (this.#running < this.#transactions && this.#waiting.length > 0) {
      this.#running++
      void this.#run(this.#next())
    }
  }

  /** The first one, and those behind it that can share its transaction. */
  #next(): readonly Waiting[] {
    const [first] = this.#waiting as [Waiting]
    const together: Waiting[] = []
    const rest: Waiting[] = []
    for (const each of this.#waiting) (together.length < this.#most && alike(first, each) ? together : rest).push(each)
    this.#waiting = rest
    return together
  }

  async #run(together: readonly Waiting[]): Promise<void> {
    try {
      await this.#settle(together)
    } finally {
      this.#running--
      this.#start()
    }
  }

  async #settle(together: readonly Waiting[]): Promise<void> {
    const [{ registration, rules }] = together as [Waiting]
    try {
      const saved = await this.#saveTogether(
        registration.app,
        together.map((each) => each.registration),
        rules,
      )
      for (const [index, { resolve }] of together.entries()) resolve(saved[index] as Saved)
    } catch (error) {
      if (together.length > 1 && error instanceof DatabaseError && OF_ONE_ROW.has(error.code)) {
        for (const each of together) await this.#settle([each])
      } else for (const { reject } of together) reject(error)
    }
  }
}

function alike(one: Waiting, other: Waiting): boolean {
  return (
    one.registration.app === other.registration.app &&
    one.rules.onlyNewer === other.rules.onlyNewer &&
    one.rules.keepAttributes.length === other.rules.keepAttributes.length &&
    one.rules.keepAttributes.every((key, index) => key === other.rules.keepAttributes[index])
  )
}
