import { type Script, type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { type Database, openDatabase, type Row } from '@lhspn/database'
import { type DeviceStore, openDeviceStore, type Registration } from '@lhspn/device-store'
import { type GatewayOptions, openCertificate, openSigningKey, type ProviderApiOptions, Sender } from '@lhspn/sender'
import { onTestFinished } from 'vitest'

import { encodeIds, encodeTokens } from '../src/chunk-members.ts'
import { EmbeddedQueue } from '../src/chunk-queue/embedded.ts'
import type { DispatcherEvent } from '../src/events.ts'
import { MIGRATIONS, OWNER } from '../src/migrations/index.ts'
import { outcomeOfCode } from '../src/outcome-code.ts'
import { rowOf } from '../src/push-row.ts'
import { PUSH_STATES, type PushState } from '../src/push-state.ts'
import type { PushRequest } from '../src/push.ts'
import { insertChunks } from '../src/statements/plan.ts'
import { insertPush } from '../src/statements/pushes.ts'
import { Worker, type WorkerOptions } from '../src/worker.ts'

export const APP = 'com.example.app'

export const token = (n: number): string => n.toString(16).padStart(64, '0')
export const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, n) => from + n)

/** What waits at it passes when it is opened. */
export function gate() {
  let open!: () => void
  const passed = new Promise<void>((resolve) => (open = resolve))
  return { open, passed }
}

export interface NewPush extends Partial<PushRequest> {
  /** Members of each chunk: devices, by the number of their token, or tokens by theirs. */
  readonly devices?: readonly (readonly number[])[]
  readonly tokens?: readonly (readonly number[])[]
}

/** A database, a simulated Apple, and workers between both. All is closed when the test is over. */
export class Delivery {
  readonly apple: Simulator
  readonly store: DeviceStore
  readonly database: Database
  readonly events: DispatcherEvent[] = []
  #pushes = 0

  private constructor(apple: Simulator, store: DeviceStore) {
    this.apple = apple
    this.store = store
    this.database = store.database
  }

  static async open(url: string, script: Script = {}): Promise<Delivery> {
    const apple = await startSimulator({ script })
    onTestFinished(() => apple.close())
    const database = await openDatabase(url)
    onTestFinished(() => database.close())
    const store = await openDeviceStore(database)
    await database.migrate(OWNER, MIGRATIONS)
    return new Delivery(apple, store)
  }

  sender(options: Partial<GatewayOptions> = {}): Sender {
    const credentials = openCertificate(Buffer.from(this.apple.certificates.client))
    const { gateway, certificates } = this.apple
    const sender = new Sender({ gateway, ca: certificates.ca, credentials, ...options })
    onTestFinished(() => sender.close())
    return sender
  }

  /** One that speaks to the provider API. */
  providerSender(options: Partial<ProviderApiOptions> = {}): Sender {
    const { provider, certificates, signingKey } = this.apple
    const credentials = openSigningKey(signingKey.key, signingKey)
    const sender = new Sender({ app: APP, provider, ca: certificates.ca, credentials, ...options })
    onTestFinished(() => sender.close())
    return sender
  }

  worker(options: Partial<WorkerOptions> = {}): Worker {
    const { database, store } = this
    const { leaseMs = 15_000 } = options
    const queue = new EmbeddedQueue({ database, leaseMs })
    const sender = options.senderFor === undefined ? this.sender() : undefined
    const worker = new Worker({
      database,
      store,
      queue,
      senderFor: () => sender as Sender,
      concurrency: 2,
      ahead: 10_000,
      leaseMs,
      mismatchShare: 0.05,
      onEvent: (event) => this.events.push(event),
      ...options,
    })
    onTestFinished(async () => {
      await worker.drain(0)
      await queue.close()
    })
    worker.start()
    return worker
  }

  async register(list: readonly number[], more: Partial<Registration> = {}): Promise<void> {
    await this.store.save(list.map((n) => ({ app: APP, token: token(n), ...more })))
  }

  /** Stores a push that is planned and runs; answers its number. */
  async push({ devices = [], tokens = [], ...more }: NewPush): Promise<number> {
    const request: PushRequest = {
      app: APP,
      environment: 'production',
      audience: { all: true },
      payload: { aps: { alert: 'Hello' } },
      pushType: 'alert',
      priority: 10,
      expiration: { at: Date.now() + 3_600_000 },
      collapseId: null,
      badge: null,
      sendAt: null,
      rate: null,
      maxAudience: null,
      onUnconfirmed: 'report',
      ...more,
    }
    const id = `psh_${String(++this.#pushes).padStart(26, '0')}`
    const row = { ...rowOf(request, { id, now: Date.now(), planning: false }), state: PUSH_STATES.indexOf('running') }
    const ids = new Map<string, number>()
    for await (const page of this.store.findTokens({ app: APP, environment: request.environment }))
      for (const each of page) ids.set(each.token, each.id)
    const members = [
      ...devices.map((list) => encodeIds(list.map((n) => ids.get(token(n)) as number))),
      ...tokens.map((list) => encodeTokens(list.map(token))),
    ]
    const sizes = [...devices, ...tokens].map(({ length }) => length)
    return this.database.transaction(async (transaction) => {
      const number = await insertPush(transaction, row)
      const chunks = members.map((bytes, at) => ({ size: sizes[at] as number, members: bytes }))
      await insertChunks(transaction, number, 0, chunks)
      return number
    })
  }

  async state(push: number): Promise<PushState> {
    const [row] = await this.database.query<{ state: number }>('SELECT state FROM push WHERE number = ?', [push])
    return PUSH_STATES[row?.state ?? -1] as PushState
  }

  /** Waits until the push stands so, and no chunk is leased; looks at its counts meanwhile. */
  async until(push: number, state: PushState): Promise<void> {
    for (;;) {
      const { leased } = await this.sums(push)
      if (leased === 0 && (await this.state(push)) === state) return
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** Sums over the chunks of a push. They add up, whenever they are read. */
  async sums(push: number) {
    const [row] = await this.database.query<Record<string, number | null>>(
      `SELECT SUM(size) AS size, SUM(settled) AS settled, SUM(accepted) AS accepted, SUM(rejected) AS rejected,
         SUM(unregistered) AS unregistered, SUM(unconfirmed) AS unconfirmed,
         SUM(CASE WHEN state = 1 THEN 1 ELSE 0 END) AS leased, SUM(CASE WHEN state = 2 THEN 1 ELSE 0 END) AS done
       FROM chunk WHERE push_number = ?`,
      [push],
    )
    const sum = (name: string): number => row?.[name] ?? 0
    const { accepted, rejected, unregistered, unconfirmed } = {
      accepted: sum('accepted'),
      rejected: sum('rejected'),
      unregistered: sum('unregistered'),
      unconfirmed: sum('unconfirmed'),
    }
    if (accepted + rejected + unregistered + unconfirmed !== sum('settled')) throw new Error('counts do not add up')
    const remaining = sum('size') - sum('settled')
    return { accepted, rejected, unregistered, unconfirmed, remaining, leased: sum('leased'), done: sum('done') }
  }

  /** How often each reason came, by the table of reasons. */
  async reasons(push: number): Promise<Record<string, number>> {
    const rows = await this.database.query<{ reason: number; n: number }>(
      'SELECT reason, SUM(n) AS n FROM push_reason WHERE push_number = ? GROUP BY reason',
      [push],
    )
    return Object.fromEntries(rows.map(({ reason, n }) => [outcomeOfCode(reason)?.reason, n]))
  }

  async badges(list: readonly number[]): Promise<readonly (number | undefined)[]> {
    return (await this.store.getMany(APP, list.map(token))).map((device) => device?.badge)
  }

  /** Badges that Apple was sent and took, by the number of the token; of each the last. */
  sentBadges(): ReadonlyMap<number, number> {
    const taken = this.apple.journal.entries().filter(({ verdict }) => verdict === 'accepted')
    return new Map(
      taken.map((entry) => [
        Number.parseInt(entry.token, 16),
        JSON.parse(new TextDecoder().decode(entry.payload)).aps.badge as number,
      ]),
    )
  }

  async chunks(push: number): Promise<readonly Row[]> {
    return this.database.query(
      'SELECT state, leases, waits, run_at, settled FROM chunk WHERE push_number = ? ORDER BY seq',
      [push],
    )
  }

  of<K extends DispatcherEvent['kind']>(kind: K): readonly Extract<DispatcherEvent, { kind: K }>[] {
    return this.events.filter((event): event is Extract<DispatcherEvent, { kind: K }> => event.kind === kind)
  }
}
