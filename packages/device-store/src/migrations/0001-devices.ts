import type { Migration } from '@lhspn/database'

const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin'
const TEXT = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin'

/**
 * Times are ms since 1970. `environment`: 0 production, 1 sandbox. `withheld`: 0 = audiences reach the device, else the
 * sum of 1 (refused) and 2 (platform not Apple's). `attributes`: JSON, keys in order. `device_attribute.pair`: a hash
 * of app, key and value (pair.ts). `tombstone.cause`: 1 unregistered, 2 feedback, 3 request.
 *
 * The audience index holds the token, so that a stream of an audience reads nothing else; badges stay out of it.
 */
export const DEVICES: Migration = {
  name: '0001 devices',
  mysql: [
    `CREATE TABLE IF NOT EXISTS app (
      id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, topic VARCHAR(255) ${ASCII} NOT NULL,
      UNIQUE KEY app_topic (topic)
    ) ENGINE=InnoDB`,
    `CREATE TABLE IF NOT EXISTS device (
      id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, app_id INT UNSIGNED NOT NULL,
      environment TINYINT UNSIGNED NOT NULL, token VARBINARY(100) NOT NULL, platform VARCHAR(16) ${ASCII} NOT NULL,
      os_version VARCHAR(32) ${TEXT} NOT NULL, badge INT UNSIGNED NOT NULL, withheld TINYINT UNSIGNED NOT NULL,
      refused_at BIGINT NULL, refused_reason VARCHAR(64) ${ASCII} NULL, refused_push VARCHAR(64) ${ASCII} NULL,
      attributes TEXT ${TEXT} NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
      UNIQUE KEY device_token (app_id, token),
      KEY device_audience (app_id, environment, withheld, id, token)
    ) ENGINE=InnoDB`,
    `CREATE TABLE IF NOT EXISTS device_attribute (
      pair BIGINT NOT NULL, device_id BIGINT UNSIGNED NOT NULL, PRIMARY KEY (pair, device_id)
    ) ENGINE=InnoDB`,
    `CREATE TABLE IF NOT EXISTS tombstone (
      device_id BIGINT UNSIGNED NOT NULL PRIMARY KEY, app_id INT UNSIGNED NOT NULL, token VARBINARY(100) NOT NULL,
      cause TINYINT UNSIGNED NOT NULL, at BIGINT NOT NULL, push VARCHAR(64) ${ASCII} NULL,
      KEY tombstone_token (app_id, token), KEY tombstone_at (at)
    ) ENGINE=InnoDB`,
  ],
  sqlite: [
    `CREATE TABLE app (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL UNIQUE) STRICT`,
    `CREATE TABLE device (
      id INTEGER PRIMARY KEY AUTOINCREMENT, app_id INTEGER NOT NULL, environment INTEGER NOT NULL, token BLOB NOT NULL,
      platform TEXT NOT NULL, os_version TEXT NOT NULL, badge INTEGER NOT NULL, withheld INTEGER NOT NULL,
      refused_at INTEGER, refused_reason TEXT, refused_push TEXT,
      attributes TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
    ) STRICT`,
    `CREATE UNIQUE INDEX device_token ON device (app_id, token)`,
    `CREATE INDEX device_audience ON device (app_id, environment, withheld, id, token)`,
    `CREATE TABLE device_attribute (
      pair INTEGER NOT NULL, device_id INTEGER NOT NULL, PRIMARY KEY (pair, device_id)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE tombstone (
      device_id INTEGER PRIMARY KEY, app_id INTEGER NOT NULL, token BLOB NOT NULL, cause INTEGER NOT NULL,
      at INTEGER NOT NULL, push TEXT
    ) STRICT`,
    `CREATE INDEX tombstone_token ON tombstone (app_id, token)`,
    `CREATE INDEX tombstone_at ON tombstone (at)`,
  ],
}
