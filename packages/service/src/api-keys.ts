import { createHash, randomInt, timingSafeEqual } from 'node:crypto'

import type { Database, Migration, Row } from '@lhspn/database'
import { ulid } from 'ulid'

import { ServiceError } from './errors.ts'

/** What a key may do; each may do all that those before it may. */
export const SCOPES = ['register', 'send', 'admin'] as const
/**
 * `register`: save and delete a device whose token one knows, read nothing; made to sit inside an app. `send`: what a
 * backend needs. `admin`: everything.
 */
export type Scope = (typeof SCOPES)[number]

/** An API key as it may be shown: everything but the key. */
export interface ApiKey {
  /** `key_` and a ULID. */
  readonly id: string
  readonly name: string
  readonly scope: Scope
  /** The only app that it is good for; null: all. */
  readonly app: string | null
  readonly createdAt: Date
  /** To the minute; null: never. */
  readonly lastUsedAt: Date | null
}

/** What a new key is to be. */
export interface NewApiKey {
  readonly scope: Scope
  /** For people; up to 100 characters. */
  readonly name?: string | undefined
  readonly app?: string | null | undefined
}

/** Who holds a key that is good. */
export interface Caller {
  /** The key's id; `LHSPN_ADMIN_KEY` for the key of that variable. */
  readonly id: string
  readonly scope: Scope
  readonly app: string | null
}

/** Whose sequence the migrations are. */
export const API_KEY_OWNER = 'service'
const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin'
/** `scope`: place in SCOPES. `hash`: SHA-256 of the whole key. Times are ms since 1970. */
export const API_KEY_MIGRATIONS: readonly Migration[] = [
  {
    name: '0001 api keys',
    mysql: [
      `CREATE TABLE IF NOT EXISTS api_key (
        id VARCHAR(30) ${ASCII} NOT NULL PRIMARY KEY, name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        scope TINYINT UNSIGNED NOT NULL, app VARCHAR(255) ${ASCII} NULL, hash BINARY(32) NOT NULL,
        created_at BIGINT NOT NULL, last_used_at BIGINT NULL, UNIQUE KEY api_key_hash (hash)) ENGINE=InnoDB`,
    ],
    sqlite: [
      `CREATE TABLE api_key (
        id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, scope INTEGER NOT NULL, app TEXT, hash BLOB NOT NULL,
        created_at INTEGER NOT NULL, last_used_at INTEGER) STRICT`,
      'CREATE UNIQUE INDEX api_key_hash ON api_key (hash)',
    ],
  },
]

const BASE_62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** 238 bits: as hard to guess as the hash is to invert, so that the hash needs no salt. */
const SECRET_LENGTH = 40
const FORM = new RegExp(`^lhk_(${SCOPES.join('|')})_[0-9A-Za-z]{${SECRET_LENGTH}}$`)
/** How exact `lastUsedAt` is: a write for every request would cost more than many requests. */
const LAST_USED_MS = 60_000
const MAX_NAME_LENGTH = 100

export interface ApiKeysOptions {
  /** One more admin key than those in the database. */
  readonly adminKey?: string | undefined
  /** Told when `lastUsedAt` could not be written: the request goes on. */
  readonly onError?: ((error: unknown) => void) | undefined
  /** The clock, in ms since 1970; for tests. */
  readonly now?: (() => number) | undefined
}

/** The keys to the HTTP API. The database has hashes only. */
export class ApiKeys {
  readonly #database: Database
  readonly #adminHash: Buffer | undefined
  readonly #onError: (error: unknown) => void
  readonly #now: () => number
  /** By hash: reads that have not begun, shared by everybody who asks meanwhile. */
  readonly #waiting = new Map<string, Promise<Row | undefined>>()
  readonly #reading = new Map<string, Promise<Row | undefined>>()
  /** Key id → when its last use was noted. */
  readonly #noted = new Map<string, number>()
  readonly #writes = new Set<Promise<void>>()

  /** Over a database whose tables are there (`migrateSchema`). */
  constructor(database: Database, { adminKey, onError, now }: ApiKeysOptions = {}) {
    this.#database = database
    this.#adminHash = adminKey === undefined ? undefined : hashOf(adminKey)
    this.#onError = onError ?? (() => undefined)
    this.#now = now ?? Date.now
  }

  /** Makes a key. `key` is in this answer and never again. @throws ServiceError `invalid-key`; DatabaseError */
  async create({ scope, name = '', app = null }: NewApiKey): Promise<ApiKey & { readonly key: string }> {
    if (!isName(name)) {
      throw new ServiceError(
        'invalid-key',
        `The name of a key is text of up to ${MAX_NAME_LENGTH} characters, without control characters`,
        'Give it a shorter or simpler name.',
      )
    }
    const createdAt = this.#now()
    const key = `lhk_${scope}_${Array.from({ length: SECRET_LENGTH }, () => BASE_62[randomInt(62)]).join('')}`
    const id = `key_${ulid(createdAt)}`
    await this.#database.execute(
      'INSERT INTO api_key (id, name, scope, app, hash, created_at) VALUES (?, ?, ?, ?, ?, ?)',
      [id, name, SCOPES.indexOf(scope), app, hashOf(key), createdAt],
    )
    return { id, name, scope, app, createdAt: new Date(createdAt), lastUsedAt: null, key }
  }

  /**
   * Who holds this key; undefined where it is none, or no longer. It asks the database every time, so that a deleted key
   * is good nowhere from then on; requests that ask for the same key at the same time share one query.
   * @throws DatabaseError
   */
  async verify(key: string): Promise<Caller | undefined> {
    const hash = hashOf(key)
    if (this.#adminHash !== undefined && timingSafeEqual(hash, this.#adminHash)) {
      return { id: 'LHSPN_ADMIN_KEY', scope: 'admin', app: null }
    }
    if (!FORM.test(key)) return undefined
    const row = await this.#find(hash)
    if (row === undefined) return undefined
    const { id, scope, app, lastUsedAt } = toApiKey(row)
    this.#noteUse(id, lastUsedAt)
    return { id, scope, app }
  }

  /** In order of creation, up to 1,000 at a time; those bound to `app`, where one is given. @throws DatabaseError */
  async list(
    options: {
      readonly app?: string | null | undefined
      readonly after?: string | undefined
      readonly limit?: number
    } = {},
  ): Promise<readonly ApiKey[]> {
    const { app = null, after = '', limit = 1000 } = options
    const rows = await this.#database.query(
      `SELECT id, name, scope, app, created_at, last_used_at FROM api_key WHERE id > ?${app === null ? '' : ' AND app = ?'}
       ORDER BY id LIMIT ${Math.trunc(limit)}`,
      app === null ? [after] : [after, app],
    )
    return rows.map(toApiKey)
  }

  /** Whether there was one; where `app` is given, only a key bound to it is deleted. @throws DatabaseError */
  async delete(id: string, { app = null }: { readonly app?: string | null | undefined } = {}): Promise<boolean> {
    const { changes } = await this.#database.execute(
      `DELETE FROM api_key WHERE id = ?${app === null ? '' : ' AND app = ?'}`,
      app === null ? [id] : [id, app],
    )
    return changes > 0
  }

  /** Waits until what is being written is. The database stays open. */
  async close(): Promise<void> {
    await Promise.all(this.#writes)
  }

  /** A read that has begun may not know of a deletion since: who comes later waits for the next one. */
  #find(hash: Buffer): Promise<Row | undefined> {
    const name = hash.toString('latin1')
    const reading = this.#reading.get(name)
    if (reading === undefined) return this.#read(name, hash)
    const waiting = this.#waiting.get(name)
    if (waiting !== undefined) return waiting
    const next = reading.then(
      () => this.#begin(name, hash),
      () => this.#begin(name, hash),
    )
    this.#waiting.set(name, next)
    return next
  }

  #begin(name: string, hash: Buffer): Promise<Row | undefined> {
    this.#waiting.delete(name)
    return this.#read(name, hash)
  }

  #read(name: string, hash: Buffer): Promise<Row | undefined> {
    const reading = this.#database
      .query('SELECT id, name, scope, app, created_at, last_used_at FROM api_key WHERE hash = ?', [hash])
      .then(([row]) => row)
      .finally(() => {
        if (this.#reading.get(name) === reading) this.#reading.delete(name)
      })
    this.#reading.set(name, reading)
    return reading
  }

  #noteUse(id: string, stored: Date | null): void {
    const now = this.#now()
    const last = Math.max(this.#noted.get(id) ?? 0, stored?.getTime() ?? 0)
    if (now - last < LAST_USED_MS) return
    this.#noted.set(id, now)
    const write = this.#database
      .execute('UPDATE api_key SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)', [
        now,
        id,
        now,
      ])
      .then(() => undefined, this.#onError)
      .finally(() => this.#writes.delete(write))
    this.#writes.add(write)
  }
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

function toApiKey(row: Row): ApiKey {
  const { id, name, scope, app, created_at: createdAt, last_used_at: lastUsedAt } = row
  return {
    id: id as string,
    name: name as string,
    scope: SCOPES[scope as number] as Scope,
    app: app as string | null,
    createdAt: new Date(createdAt as number),
    lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt as number),
  }
}

function isName(name: string): boolean {
  return Array.from(name).length <= MAX_NAME_LENGTH && !/[\p{Cc}\p{Cs}]/u.test(name)
}
