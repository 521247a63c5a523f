import type { Database, Transaction } from '@lhspn/database'

import type { Filter } from './audience.ts'
import type { Changes, Device, Environment, Registration, RemovalCause, Tombstone } from './device.ts'
import type { LegacyImport, LegacyImportOptions } from './import-legacy.ts'
import type { Known } from './statements/ids.ts'
import type { Member } from './statements/members.ts'
import type { Refusal } from './statements/refuse.ts'
import type { Saved } from './statements/save.ts'

/** A write may be part of a transaction on the store's database: then it lasts if that does. */
export interface WriteOptions {
  readonly in?: Transaction | undefined
}

export interface SaveOptions extends WriteOptions {
  /** Keys that these registrations have no say over: the stored values stay, also where there is none. */
  readonly keepAttributes?: readonly string[] | undefined
  /** True: a registration whose `updatedAt` equals the stored one is stale too. */
  readonly onlyNewer?: boolean | undefined
}

export interface RemovalOptions extends WriteOptions {
  /** The push that found out; up to 64 characters of ASCII. */
  readonly push?: string | null | undefined
}

/** Which devices: those of an app, narrowed by what is given. */
export interface Query {
  readonly app: string
  readonly environment?: Environment | undefined
  readonly filter?: Filter | undefined
  /** Only those that are refused, or only those that are not. */
  readonly refused?: boolean | undefined
}

export interface FindQuery extends Query {
  /** Go on behind this place: a `nextCursor`. */
  readonly cursor?: string | undefined
  /** Devices altogether. */
  readonly limit?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Whom a push reaches: neither refused nor of a platform that is not Apple's. */
export interface TokenQuery {
  readonly app: string
  readonly environment: Environment
  readonly filter?: Filter | undefined
  /** Ids above this one only. */
  readonly after?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface IdQuery extends TokenQuery {
  /** Ids up to this one only. */
  readonly upTo?: number | undefined
}

/**
 * The registry of devices. Bulk calls take any number; without a transaction of the caller's they run in several, of
 * bounded size, so that each device's change is whole and none waits long. Streams are pages by ascending id, the order
 * of first registration; they hold one page and see what is there when they come to it.
 *
 * Everything throws DatabaseError for the database, and DeviceStoreError for values, before anything is stored.
 */
export interface DeviceStore {
  readonly database: Database
  /** Inserts or updates; answers in the order given. Safe against every other save, removal and change. */
  save(registrations: readonly Registration[], options?: SaveOptions): Promise<readonly Saved[]>
  get(app: string, token: string): Promise<Device | undefined>
  /** In the order given. */
  getMany(app: string, tokens: readonly string[]): Promise<readonly (Device | undefined)[]>
  /** How a device that is not there was removed last. */
  tombstone(app: string, token: string): Promise<Tombstone | undefined>
  /** Answers the device as it is now; undefined if there is none. `updatedAt` stays. */
  update(app: string, token: string, changes: Changes, options?: WriteOptions): Promise<Device | undefined>
  /** False if there was none. */
  delete(app: string, token: string, cause?: RemovalCause, options?: RemovalOptions): Promise<boolean>
  /** Streams the devices. */
  find(query: FindQuery): AsyncIterableIterator<readonly Device[]>
  /** At most `limit` (1 to 1000, default 50) of them, and where the next page begins. */
  page(query: FindQuery): Promise<{ readonly devices: readonly Device[]; readonly nextCursor: string | null }>
  /** Streams ids and tokens of an audience. */
  findTokens(query: TokenQuery): AsyncIterableIterator<readonly { readonly id: number; readonly token: string }[]>
  /** Streams the ids of an audience. Ids are never given twice, and rise with the time of the first registration. */
  findIds(query: IdQuery): AsyncIterableIterator<readonly number[]>
  /** The id given last, of whatever app; 0 if there is none. */
  newestId(): Promise<number>
  /** What is known of these ids: of devices, and of removed ones as long as their tombstone is kept. */
  known(ids: readonly number[]): Promise<ReadonlyMap<number, Known>>
  /** What sending needs to know of the devices with these ids, which ascend; those that are gone are not there. */
  members(app: string, ids: readonly number[]): Promise<ReadonlyMap<number, Member>>
  /** The same, after their badges were counted up by one, but for those that are refused or of the other environment. */
  countMembers(
    app: string,
    environment: Environment,
    ids: readonly number[],
    transaction: Transaction,
  ): Promise<ReadonlyMap<number, Member>>
  /** Ids that a token has, or had before it was removed. */
  idsOf(app: string, token: string): Promise<readonly number[]>
  count(query: Query): Promise<number>
  /** How many `findTokens` would give now, from the first. */
  countTokens(query: Omit<TokenQuery, 'after' | 'signal'>): Promise<number>
  /** Counts each up by one, once, and answers the new values in the order given: 1 for tokens that are not known. */
  incrementBadge(app: string, tokens: readonly string[], options?: WriteOptions): Promise<readonly number[]>
  resetBadge(app: string, tokens: readonly string[], options?: WriteOptions): Promise<void>
  /** Removes those that have not registered since `at` (UNIX seconds) in this environment; answers their tokens. */
  removeByFeedback(
    app: string,
    environment: Environment,
    tuples: readonly { readonly token: string; readonly at: number }[],
    options?: RemovalOptions,
  ): Promise<readonly string[]>
  /** The same for APNs' answer about one token: dead since `since`, in ms. */
  removeUnregistered(
    app: string,
    environment: Environment,
    tokens: readonly { readonly token: string; readonly since: number }[],
    options?: RemovalOptions,
  ): Promise<readonly string[]>
  /** Marks devices that still are of this environment, and have not registered since; answers how many. */
  refuse(
    app: string,
    environment: Environment,
    marks: readonly (Pick<Refusal, 'token' | 'reason'> & Partial<Pick<Refusal, 'push' | 'since'>>)[],
    options?: WriteOptions,
  ): Promise<number>
  /** Forgets tombstones from before then; answers how many. */
  forgetTombstones(before: Date): Promise<number>
  /** Reads a table of LHSPNservice, from its database or one that holds a copy of it, and changes nothing there. */
  importLegacy(source: string | Database, options: LegacyImportOptions): Promise<LegacyImport>
  /** Closes the database too, if the store has opened it. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
