import type { Simulator } from '@lhspn/apns-simulator'
import { type NotificationRecord, SETTLED_KINDS, type StoredPush } from '@lhspn/dispatcher'
import type { Service } from '@lhspn/service'

import { SIMULATED_TOPIC } from '../../src/simulated-installation.ts'
import { type Apple, HEADS } from './apple.ts'
import { DEVICES } from './audience.ts'
import { insist } from './insist.ts'

/** Sees whether what became of pushes holds together: their counts, their records, the devices, and what Apple got. */
export class Audit {
  readonly #apple: Apple
  readonly #simulator: Simulator
  readonly #service: Service
  /** Pushes that addressed a token, and tokens that a push found to be refused, or gone. */
  readonly #addressed = new Map<string, number>()
  readonly #refused = new Set<string>()
  readonly #gone = new Set<string>()
  #notifications = 0
  #twice = 0
  #unconfirmed = 0

  constructor(apple: Apple, simulator: Simulator, service: Service) {
    this.#apple = apple
    this.#simulator = simulator
    this.#service = service
  }

  /** Of the pushes that were checked; `twice`: notifications that arrived once more than they should. */
  get sums(): { readonly notifications: number; readonly twice: number; readonly unconfirmed: number } {
    return { notifications: this.#notifications, twice: this.#twice, unconfirmed: this.#unconfirmed }
  }

  /** A push that has come to its end, by its number from 1. @throws Error that tells what does not hold */
  async checkPush(n: number, { id, counts, reasons }: StoredPush): Promise<void> {
    const expected = DEVICES - this.#refused.size - this.#gone.size
    const records = await this.#records(id)
    const arrived = this.#arrived(n)
    const kinds = { accepted: 0, rejected: 0, unregistered: 0, unconfirmed: 0 }
    for (const { outcome, token } of records.values()) {
      if (outcome === null) throw new Error(`${token} has no outcome`)
      kinds[outcome]++
      if (outcome === 'accepted' && !arrived.has(token)) throw new Error(`${token} is accepted, and never arrived`)
      // Where connections were cut, nobody knows.
      if (outcome !== 'unconfirmed' && outcome !== this.#expectedOf(token)) throw new Error(`${token} is ${outcome}`)
      if (outcome === 'rejected') this.#refused.add(token)
      if (outcome === 'unregistered') this.#gone.add(token)
      this.#addressed.set(token, (this.#addressed.get(token) ?? 0) + 1)
    }
    const told = `push ${n}: ${JSON.stringify({ counts, reasons, kinds })}`
    if (records.size !== expected || counts.planned !== expected || counts.remaining !== 0)
      throw new Error(`Of ${expected} devices ${records.size} have an outcome; ${told}`)
    for (const kind of SETTLED_KINDS)
      if (kinds[kind] !== counts[kind]) throw new Error(`Records and counts differ; ${told}`)
    this.#notifications += records.size
    this.#unconfirmed += kinds.unconfirmed
    for (const times of arrived.values()) this.#twice += times - 1
  }

  /** Badges were counted once for each push, who was refused is marked, and who is gone was removed. */
  async checkDevices(): Promise<void> {
    let devices = 0
    for await (const page of this.#service.store.find({ app: SIMULATED_TOPIC })) {
      for (const { token, badge, refused } of page) {
        devices++
        const addressed = this.#addressed.get(token)
        if (badge !== addressed) throw new Error(`${token} has badge ${badge} after ${addressed} pushes`)
        if (this.#gone.has(token)) throw new Error(`${token} is gone, and still registered`)
        if ((refused !== null) !== this.#refused.has(token)) throw new Error(`${token} is refused: ${refused !== null}`)
      }
    }
    const left = DEVICES - this.#gone.size
    if (devices !== left) throw new Error(`${devices} devices are left, and not ${left}`)
  }

  #expectedOf(token: string): 'accepted' | 'rejected' | 'unregistered' {
    if (token.startsWith(HEADS.refused)) return 'rejected'
    return this.#apple.tellsWhoIsGone && token.startsWith(HEADS.gone) ? 'unregistered' : 'accepted'
  }

  /** Records by token: one for each, or it throws. */
  async #records(id: string): Promise<ReadonlyMap<string, NotificationRecord>> {
    const records = new Map<string, NotificationRecord>()
    let cursor: string | undefined
    do {
      const page = await insist(() => this.#service.dispatcher.notifications(id, { limit: 1000, cursor }))
      for (const record of page.data) {
        if (records.has(record.token)) throw new Error(`${record.token} has two outcomes`)
        records.set(record.token, record)
      }
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    return records
  }

  /** How often each token was reached by a push. Every one of its notifications has the same badge, that of its count. */
  #arrived(n: number): ReadonlyMap<string, number> {
    const times = new Map<string, number>()
    for (const { payload, token } of this.#apple.arrivals(this.#simulator)) {
      const { push, aps } = JSON.parse(Buffer.from(payload).toString()) as { push: number; aps: { badge: number } }
      if (aps.badge !== push) throw new Error(`${token} was sent badge ${aps.badge} by push ${push}`)
      if (push === n) times.set(token, (times.get(token) ?? 0) + 1)
    }
    return times
  }
}
