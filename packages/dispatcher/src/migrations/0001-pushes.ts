import type { Migration } from '@lhspn/database'

const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin'
const TEXT = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'

/**
 * Times are ms since 1970, of the database's clock where a lease depends on them.
 *
 * `push`. `number`: what the tables and the `apns-id` know it by; `id`: `psh_` and a ULID. `environment`: 0 production,
 * 1 sandbox. `state`, `paused_from`: place in PUSH_STATES; `paused_because`: in PAUSE_CAUSES. `audience`, `payload`:
 * JSON. `expires_after`: a duration; `expires_at`: once it has begun, or where a time was given (0 = now or never).
 * `badge`: -1 = counted up. `resend`: what becomes of the unconfirmed. `mismatch_off`: no check for the wrong
 * environment. Planning (`planning` 1 until it is complete): leased by `plan_owner` until `plan_until`; ids up to
 * `plan_after` are in `plan_seq` chunks, `plan_upper` is the last one. `next_at`: when the next slot of its rate begins,
 * 0 without a rate. `served_at`: when a chunk was leased last. `kept_…`: sums of chunks that are no longer there.
 * `ended_at`: completed or canceled.
 *
 * `chunk`. `state`: a number of CHUNK (chunk-state.ts). `seq` from 1 on. `owner`: random for each claim; it stays when the chunk is
 * closed or given back, so that whoever lost the answer to a COMMIT can ask again. `started_at`: leased for the first
 * time. `leases`: that ran out in a row without progress, this one included. `waits`: times in a row that nothing but
 * TooManyRequests came back, or unconfirmed ones that go again. `counted`: members, from the first, whose badge was
 * counted. `members`: chunk-members.ts. `outcomes`: a code of outcome-code.ts for each member, in order; null while
 * nothing is settled. The counts are those of `outcomes`.
 *
 * `push_reason`: how often a code of outcome-code.ts that has a reason is in the chunk; `chunk_seq` 0 sums up chunks
 * that are no longer there.
 */
export const PUSHES: Migration = {
  name: '0001 pushes',
  mysql: [
    `CREATE TABLE IF NOT EXISTS push (
      number BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, id VARCHAR(30) ${ASCII} NOT NULL,
      app VARCHAR(255) ${ASCII} NOT NULL, environment TINYINT UNSIGNED NOT NULL,
      state TINYINT UNSIGNED NOT NULL, paused_from TINYINT UNSIGNED NULL, paused_because TINYINT UNSIGNED NULL,
      push_type VARCHAR(32) ${ASCII} NOT NULL, priority TINYINT UNSIGNED NOT NULL, collapse_id VARCHAR(64) ${TEXT} NULL,
      expires_after BIGINT UNSIGNED NULL, expires_at BIGINT UNSIGNED NULL, badge INT NULL, resend TINYINT UNSIGNED NOT NULL,
      send_at BIGINT NULL, rate DOUBLE NULL, max_audience BIGINT UNSIGNED NULL,
      mismatch_off TINYINT UNSIGNED NOT NULL DEFAULT 0,
      planning TINYINT UNSIGNED NOT NULL, plan_owner BIGINT NULL, plan_until BIGINT NULL,
      plan_after BIGINT UNSIGNED NOT NULL DEFAULT 0, plan_upper BIGINT UNSIGNED NULL, plan_seq INT UNSIGNED NOT NULL DEFAULT 0,
      next_at BIGINT NOT NULL DEFAULT 0, served_at BIGINT NOT NULL DEFAULT 0,
      kept_planned BIGINT UNSIGNED NOT NULL DEFAULT 0, kept_accepted BIGINT UNSIGNED NOT NULL DEFAULT 0,
      kept_rejected BIGINT UNSIGNED NOT NULL DEFAULT 0, kept_unregistered BIGINT UNSIGNED NOT NULL DEFAULT 0,
      kept_unconfirmed BIGINT UNSIGNED NOT NULL DEFAULT 0,
      created_at BIGINT NOT NULL, started_at BIGINT NULL, ended_at BIGINT NULL,
      audience MEDIUMTEXT ${TEXT} NOT NULL, payload MEDIUMTEXT ${TEXT} NOT NULL,
      UNIQUE KEY push_id (id), KEY push_turn (state, served_at, number), KEY push_due (state, send_at),
      KEY push_ended (ended_at)
    ) ENGINE=InnoDB`,
    `CREATE TABLE IF NOT EXISTS chunk (
      id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, push_number BIGINT UNSIGNED NOT NULL,
      seq INT UNSIGNED NOT NULL, state TINYINT UNSIGNED NOT NULL DEFAULT 0, run_at BIGINT NOT NULL DEFAULT 0,
      owner BIGINT NULL, lease_until BIGINT NULL, started_at BIGINT NULL,
      leases INT UNSIGNED NOT NULL DEFAULT 0, waits INT UNSIGNED NOT NULL DEFAULT 0,
      size INT UNSIGNED NOT NULL, counted INT UNSIGNED NOT NULL DEFAULT 0, settled INT UNSIGNED NOT NULL DEFAULT 0,
      accepted INT UNSIGNED NOT NULL DEFAULT 0, rejected INT UNSIGNED NOT NULL DEFAULT 0,
      unregistered INT UNSIGNED NOT NULL DEFAULT 0, unconfirmed INT UNSIGNED NOT NULL DEFAULT 0,
      members MEDIUMBLOB NOT NULL, outcomes MEDIUMBLOB NULL,
      UNIQUE KEY chunk_push (push_number, seq), KEY chunk_ready (push_number, state, seq, run_at, size),
      KEY chunk_leased (state, lease_until)
    ) ENGINE=InnoDB`,
    `CREATE TABLE IF NOT EXISTS push_reason (
      push_number BIGINT UNSIGNED NOT NULL, chunk_seq INT UNSIGNED NOT NULL, reason TINYINT UNSIGNED NOT NULL,
      n BIGINT UNSIGNED NOT NULL, PRIMARY KEY (push_number, chunk_seq, reason)
    ) ENGINE=InnoDB`,
    `CREATE TABLE IF NOT EXISTS idempotency_key (
      api_key VARCHAR(64) ${ASCII} NOT NULL, idempotency_key VARCHAR(255) ${TEXT} NOT NULL,
      content_hash BINARY(32) NOT NULL, push_number BIGINT UNSIGNED NOT NULL, created_at BIGINT NOT NULL,
      PRIMARY KEY (api_key, idempotency_key), KEY idempotency_key_created (created_at)
    ) ENGINE=InnoDB`,
  ],
  sqlite: [
    `CREATE TABLE push (
      number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, app TEXT NOT NULL, environment INTEGER NOT NULL,
      state INTEGER NOT NULL, paused_from INTEGER, paused_because INTEGER,
      push_type TEXT NOT NULL, priority INTEGER NOT NULL, collapse_id TEXT,
      expires_after INTEGER, expires_at INTEGER, badge INTEGER, resend INTEGER NOT NULL,
      send_at INTEGER, rate REAL, max_audience INTEGER, mismatch_off INTEGER NOT NULL DEFAULT 0,
      planning INTEGER NOT NULL, plan_owner INTEGER, plan_until INTEGER,
      plan_after INTEGER NOT NULL DEFAULT 0, plan_upper INTEGER, plan_seq INTEGER NOT NULL DEFAULT 0,
      next_at INTEGER NOT NULL DEFAULT 0, served_at INTEGER NOT NULL DEFAULT 0,
      kept_planned INTEGER NOT NULL DEFAULT 0, kept_accepted INTEGER NOT NULL DEFAULT 0,
      kept_rejected INTEGER NOT NULL DEFAULT 0, kept_unregistered INTEGER NOT NULL DEFAULT 0,
      kept_unconfirmed INTEGER NOT NULL DEFAULT 0,
      created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, audience TEXT NOT NULL, payload TEXT NOT NULL
    ) STRICT`,
    `CREATE INDEX push_turn ON push (state, served_at, number)`,
    `CREATE INDEX push_due ON push (state, send_at)`,
    `CREATE INDEX push_ended ON push (ended_at)`,
    `CREATE TABLE chunk (
      id INTEGER PRIMARY KEY AUTOINCREMENT, push_number INTEGER NOT NULL, seq INTEGER NOT NULL,
      state INTEGER NOT NULL DEFAULT 0, run_at INTEGER NOT NULL DEFAULT 0, owner INTEGER, lease_until INTEGER,
      started_at INTEGER, leases INTEGER NOT NULL DEFAULT 0, waits INTEGER NOT NULL DEFAULT 0,
      size INTEGER NOT NULL, counted INTEGER NOT NULL DEFAULT 0, settled INTEGER NOT NULL DEFAULT 0,
      accepted INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,
      unregistered INTEGER NOT NULL DEFAULT 0, unconfirmed INTEGER NOT NULL DEFAULT 0,
      members BLOB NOT NULL, outcomes BLOB
    ) STRICT`,
    `CREATE UNIQUE INDEX chunk_push ON chunk (push_number, seq)`,
    `CREATE INDEX chunk_ready ON chunk (push_number, state, seq, run_at, size)`,
    `CREATE INDEX chunk_leased ON chunk (state, lease_until)`,
    `CREATE TABLE push_reason (
      push_number INTEGER NOT NULL, chunk_seq INTEGER NOT NULL, reason INTEGER NOT NULL, n INTEGER NOT NULL,
      PRIMARY KEY (push_number, chunk_seq, reason)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE idempotency_key (
      api_key TEXT NOT NULL, idempotency_key TEXT NOT NULL, content_hash BLOB NOT NULL, push_number INTEGER NOT NULL,
      created_at INTEGER NOT NULL, PRIMARY KEY (api_key, idempotency_key)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX idempotency_key_created ON idempotency_key (created_at)`,
  ],
}
