import { type Database, keysetPages, parts, type Transaction } from '@lhspn/database'

import { Apps } from './apps.ts'
import { parseFilter } from './audience.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import type {
  DeviceStore,
  FindQuery,
  IdQuery,
  Query,
  RemovalOptions,
  SaveOptions,
  TokenQuery,
  WriteOptions,
} from './device-store.ts'
import {
  type Changes,
  checkChanges,
  checkRegistrations,
  type Device,
  type Environment,
  type Registration,
  type RemovalCause,
  type Tombstone,
} from './device.ts'
import { importLegacy, type LegacyImport, type LegacyImportOptions } from './import-legacy.ts'
import { type Rules, SharedSaves } from './shared-saves.ts'
import { incrementBadges, resetBadges } from './statements/badges.ts'
import { ANY_WITHHELD, countRows, findRows, readAudience, type Search } from './statements/find.ts'
import { readByTokens } from './statements/get.ts'
import { type Known, readAudienceIds, readIdsOf, readKnown, readNewestId } from './statements/ids.ts'
import { countMembers, type Member, readMembers } from './statements/members.ts'
import { refuseDevices } from './statements/refuse.ts'
import { forgetTombstones, readTombstone, remove, type Removal } from './statements/remove.ts'
import {
  DEVICE_COLUMNS,
  type DeviceRow,
  environmentNumber,
  FOREIGN,
  REFUSED,
  toDevice,
  tokenText,
} from './statements/rows.ts'
import { save, type Saved } from './statements/save.ts'
import { update } from './statements/update.ts'
import { checkLabel, checkToken, knownTokens } from './tokens.ts'

/** Devices a transaction of removals: each takes its pairs along, and many pairs in one statement are slow. */
const REMOVALS = 100
/** Badges a transaction: on SQLite some 10 ms. */
const BADGES = { mysql: 1000, sqlite: 500 }
/** Transactions of single saves at once: SQLite has one writer, and more flushes at a time than these help no server. */
const SHARED = { mysql: 4, sqlite: 1 }
/** Single saves in one of them: more gain little, and whoever is behind them would wait. */
const MOST_SHARED = 100
const PAGE = { least: 1, usual: 50, most: 1000 }

/** The registry in SQL; the statements are in files of their own. */
export class SqlDeviceStore implements DeviceStore {
  readonly database: Database
  readonly #apps: Apps
  readonly #shared: SharedSaves
  readonly #now: () => number
  readonly #close: () => Promise<void>

  constructor(database: Database, now: () => number, close: () => Promise<void>) {
    this.database = database
    this.#apps = new Apps(database)
    this.#now = now
    this.#close = close
    const transactions = SHARED[database.dialect.name]
    this.#shared = new SharedSaves((app, all, rules) => this.#saveTogether(app, all, rules), transactions, MOST_SHARED)
  }

  async save(registrations: readonly Registration[], options: SaveOptions = {}): Promise<readonly Saved[]> {
    const { keepAttributes = [], onlyNewer = false } = options
    const rules = { keepAttributes, onlyNewer }
    const checked = await checkRegistrations(registrations)
    const [only] = checked
    if (only !== undefined && checked.length === 1 && options.in === undefined)
      return [await this.#shared.save(only, rules)]
    const saved: Saved[] = Array(checked.length)
    for (const [app, indices] of placesByApp(checked)) {
      for (const part of parts(indices, this.database.dialect.batchSize)) {
        const batch = part.map((index) => checked[index] as Registration)
        const results = await this.#saveTogether(app, batch, rules, options)
        for (const [at, index] of part.entries()) saved[index] = results[at] as Saved
      }
    }
    return saved
  }

  async #saveTogether(
    topic: string,
    registrations: readonly Registration[],
    rules: Rules,
    options?: WriteOptions,
  ): Promise<readonly Saved[]> {
    const app = { topic, id: await this.#apps.number(topic, options?.in) }
    return this.#write(options, (transaction) => save(transaction, app, registrations, { ...rules, now: this.#now() }))
  }

  async get(app: string, token: string): Promise<Device | undefined> {
    return (await this.getMany(app, [checkToken(token)]))[0]
  }

  async getMany(app: string, tokens: readonly string[]): Promise<readonly (Device | undefined)[]> {
    const appId = await this.#apps.find(app)
    const { unique, each } = knownTokens(tokens)
    if (appId === undefined) return each.map(() => undefined)
    const rows = await readByTokens(this.database, appId, unique)
    return each.map((token) => {
      const row = rows.get(token)
      return row === undefined ? undefined : toDevice(app, row)
    })
  }

  async tombstone(app: string, token: string): Promise<Tombstone | undefined> {
    const appId = await this.#apps.find(app)
    const checked = checkToken(token)
    if (appId === undefined || (await this.get(app, checked)) !== undefined) return undefined
    return readTombstone(this.database, appId, checked)
  }

  async update(app: string, token: string, changes: Changes, options?: WriteOptions): Promise<Device | undefined> {
    const checked = checkChanges(changes)
    const known = checkToken(token)
    const id = await this.#apps.find(app, options?.in)
    if (id === undefined) return undefined
    return this.#write(options, (transaction) => update(transaction, { topic: app, id }, known, checked))
  }

  async delete(
    app: string,
    token: string,
    cause: RemovalCause = 'request',
    options?: RemovalOptions,
  ): Promise<boolean> {
    const removed = await this.#remove(app, [checkToken(token)], () => true, cause, options)
    return removed.length > 0
  }

  async *find(query: FindQuery): AsyncGenerator<readonly Device[], void, undefined> {
    for await (const rows of this.#rows(query, query.limit ?? Number.POSITIVE_INFINITY))
      yield rows.map((row) => toDevice(query.app, row))
  }

  async page(query: FindQuery) {
    const limit = query.limit ?? PAGE.usual
    if (!Number.isInteger(limit) || limit < PAGE.least || limit > PAGE.most)
      throw new RangeError(`A page has ${PAGE.least} to ${PAGE.most} devices, not ${limit}`)
    const rows: DeviceRow[] = []
    for await (const more of this.#rows(query, limit + 1)) rows.push(...more)
    const shown = rows.slice(0, limit)
    const last = shown.at(-1)
    return {
      devices: shown.map((row) => toDevice(query.app, row)),
      nextCursor: rows.length > limit && last !== undefined ? encodeCursor(last.id) : null,
    }
  }

  async *findTokens(query: TokenQuery): AsyncGenerator<readonly { id: number; token: string }[], void, undefined> {
    const { app, environment, filter, after = 0, signal } = query
    const search = await this.#search({ app, environment, filter, refused: false }, after)
    if (search === undefined) return
    const pages = filter === undefined ? this.#everybody(search, signal) : this.#reachable(search, signal)
    for await (const rows of pages) yield rows.map(({ id, token }) => ({ id, token: tokenText(token) }))
  }

  async *findIds(query: IdQuery): AsyncGenerator<readonly number[], void, undefined> {
    const { app, environment, filter, after = 0, upTo = Number.POSITIVE_INFINITY, signal } = query
    const search = await this.#search({ app, environment, filter, refused: false }, after)
    if (search === undefined) return
    const pages = filter === undefined ? this.#everybodysIds(search, signal) : this.#reachable(search, signal)
    for await (const rows of pages) {
      const ids = rows.map(({ id }) => id)
      const isLast = (ids.at(-1) as number) >= upTo
      yield isLast ? ids.filter((id) => id <= upTo) : ids
      if (isLast) return
    }
  }

  newestId(): Promise<number> {
    return readNewestId(this.database)
  }

  known(ids: readonly number[]): Promise<ReadonlyMap<number, Known>> {
    return readKnown(this.database, ids)
  }

  async members(app: string, ids: readonly number[]): Promise<ReadonlyMap<number, Member>> {
    const appId = await this.#apps.find(app)
    return appId === undefined ? new Map() : readMembers(this.database, appId, ids)
  }

  async countMembers(
    app: string,
    environment: Environment,
    ids: readonly number[],
    transaction: Transaction,
  ): Promise<ReadonlyMap<number, Member>> {
    const appId = await this.#apps.find(app, transaction)
    return appId === undefined ? new Map() : countMembers(transaction, appId, environment, ids)
  }

  async idsOf(app: string, token: string): Promise<readonly number[]> {
    const checked = checkToken(token)
    const appId = await this.#apps.find(app)
    return appId === undefined ? [] : readIdsOf(this.database, appId, checked)
  }

  async count(query: Query): Promise<number> {
    const search = await this.#search(query, 0)
    return search === undefined ? 0 : countRows(this.database, search)
  }

  async countTokens({ app, environment, filter }: Omit<TokenQuery, 'after' | 'signal'>): Promise<number> {
    const search = await this.#search({ app, environment, filter, refused: false }, 0)
    return search === undefined ? 0 : countRows(this.database, reachableOf(search))
  }

  async incrementBadge(app: string, tokens: readonly string[], options?: WriteOptions): Promise<readonly number[]> {
    const appId = await this.#apps.find(app, options?.in)
    const { unique, each } = knownTokens(tokens)
    if (appId === undefined) return each.map(() => 1)
    const badges = new Map<string, number>()
    for (const part of parts(unique, BADGES[this.database.dialect.name]))
      for (const [token, badge] of await this.#write(options, (transaction) =>
        incrementBadges(transaction, appId, part),
      ))
        badges.set(token, badge)
    return each.map((token) => badges.get(token) ?? 1)
  }

  async resetBadge(app: string, tokens: readonly string[], options?: WriteOptions): Promise<void> {
    const appId = await this.#apps.find(app, options?.in)
    if (appId === undefined) return
    for (const part of parts(knownTokens(tokens).unique, BADGES[this.database.dialect.name]))
      await this.#write(options, (transaction) => resetBadges(transaction, appId, part))
  }

  removeByFeedback(
    app: string,
    environment: Environment,
    tuples: readonly { readonly token: string; readonly at: number }[],
    options?: RemovalOptions,
  ): Promise<readonly string[]> {
    // Whole seconds: what registered later within that second is kept.
    const since = tuples.map(({ token, at }) => [token, at * 1000] as const)
    return this.#removeDead(app, environment, since, 'feedback', options)
  }

  removeUnregistered(
    app: string,
    environment: Environment,
    tokens: readonly { readonly token: string; readonly since: number }[],
    options?: RemovalOptions,
  ): Promise<readonly string[]> {
    const since = tokens.map((each) => [each.token, each.since] as const)
    return this.#removeDead(app, environment, since, 'unregistered', options)
  }

  async refuse(
    app: string,
    environment: Environment,
    marks: readonly {
      readonly token: string
      readonly reason: string
      readonly push?: string | null
      readonly since?: number
    }[],
    options?: WriteOptions,
  ): Promise<number> {
    const appId = await this.#apps.find(app, options?.in)
    if (appId === undefined) return 0
    const refusals = new Map(
      marks.map(({ token, reason, push = null, since = Number.POSITIVE_INFINITY }) => {
        const refusal = { token: checkToken(token), reason: checkLabel(reason), push: checkLabel(push), since }
        return [refusal.token, refusal]
      }),
    )
    let count = 0
    for (const part of parts([...refusals.values()], this.database.dialect.batchSize))
      count += await this.#write(options, (transaction) =>
        refuseDevices(transaction, appId, environmentNumber(environment), part, this.#now()),
      )
    return count
  }

  async forgetTombstones(before: Date): Promise<number> {
    const { batchSize } = this.database.dialect
    for (let count = 0; ;) {
      const forgotten = await this.database.transaction((transaction) =>
        forgetTombstones(transaction, before.getTime(), batchSize),
      )
      count += forgotten
      if (forgotten < batchSize) return count
    }
  }

  importLegacy(source: string | Database, options: LegacyImportOptions): Promise<LegacyImport> {
    return importLegacy((registrations) => this.save(registrations, { onlyNewer: true }), source, options)
  }

  close(): Promise<void> {
    return this.#close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #write<T>(options: WriteOptions | undefined, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return options?.in === undefined ? this.database.transaction(work) : work(options.in)
  }

  async #search({ app, environment, filter, refused }: Query, after: number, wanted = 0): Promise<Search | undefined> {
    const checked = filter === undefined ? undefined : parseFilter(filter)
    const appId = await this.#apps.find(app)
    if (appId === undefined) return undefined
    return {
      appId,
      environment: environment === undefined ? undefined : environmentNumber(environment),
      filter: checked,
      withheld: ANY_WITHHELD.filter((value) => refused === undefined || ((value & REFUSED) !== 0) === refused),
      after,
      wanted,
    }
  }

  /** At most `limit` rows. */
  async *#rows(query: FindQuery, limit: number): AsyncGenerator<readonly DeviceRow[], void, undefined> {
    const after = query.cursor === undefined ? 0 : decodeCursor(query.cursor)
    const search = await this.#search(query, after, limit)
    if (search === undefined) return
    let left = limit
    for await (const rows of findRows<DeviceRow>(this.database, search, DEVICE_COLUMNS)) {
      query.signal?.throwIfAborted()
      yield rows.slice(0, left)
      left -= rows.length
      if (left <= 0) return
    }
  }

  #everybody({ appId, environment, after }: Search, signal: AbortSignal | undefined) {
    return keysetPages(
      (above: number, size) => readAudience(this.database, { appId, environment: environment as number }, above, size),
      { after, size: this.database.dialect.pageSize, keyOf: ({ id }) => id, signal },
    )
  }

  #everybodysIds({ appId, environment, after }: Search, signal: AbortSignal | undefined) {
    return keysetPages(
      (above: number, size) =>
        readAudienceIds(this.database, { appId, environment: environment as number }, above, size),
      { after, size: this.database.dialect.pageSize, keyOf: ({ id }) => id, signal },
    )
  }

  async *#reachable(search: Search, signal: AbortSignal | undefined) {
    const pages = findRows<Pick<DeviceRow, 'id' | 'token' | 'attributes'>>(
      this.database,
      reachableOf(search),
      'id, token, attributes',
    )
    for await (const rows of pages) {
      signal?.throwIfAborted()
      yield rows
    }
  }

  #removeDead(
    app: string,
    environment: Environment,
    tokens: readonly (readonly [token: string, since: number])[],
    cause: RemovalCause,
    options: RemovalOptions | undefined,
  ): Promise<readonly string[]> {
    const since = new Map<string, number>()
    for (const [token, at] of tokens) {
      const [known] = knownTokens([token]).unique
      if (known !== undefined) since.set(known, Math.max(at, since.get(known) ?? at))
    }
    const dead = (token: string, row: DeviceRow) =>
      row.environment === environmentNumber(environment) && row.updated_at <= (since.get(token) as number)
    return this.#remove(app, [...since.keys()], dead, cause, options)
  }

  async #remove(
    app: string,
    tokens: readonly string[],
    dead: (token: string, row: DeviceRow) => boolean,
    cause: RemovalCause,
    options: RemovalOptions | undefined,
  ): Promise<readonly string[]> {
    const removal: Removal = { cause, push: checkLabel(options?.push ?? null), now: this.#now() }
    const appId = await this.#apps.find(app, options?.in)
    if (appId === undefined) return []
    const removed: string[] = []
    for (const part of parts(tokens, REMOVALS))
      removed.push(...(await this.#write(options, (transaction) => remove(transaction, appId, part, dead, removal))))
    return removed
  }
}

function placesByApp(registrations: readonly Registration[]): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>()
  for (const [index, { app }] of registrations.entries()) {
    const known = places.get(app)
    if (known === undefined) places.set(app, [index])
    else known.push(index)
  }
  return places
}

/** The same without the devices of platforms that are not Apple's. */
function reachableOf(search: Search): Search {
  return { ...search, withheld: search.withheld.filter((value) => (value & FOREIGN) === 0) }
}
