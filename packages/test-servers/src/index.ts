export { createDatabase, type MariaDb, type MariaDbOptions, startMariaDb } from './mariadb.ts'
export { claimRedisDatabase, type Redis, type RedisOptions, startRedis } from './redis.ts'
export type { ServerControl } from './server-process.ts'
