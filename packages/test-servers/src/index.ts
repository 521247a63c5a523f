export { createDatabase, type MariaDb, type MariaDbOptions, startMariaDb } from './mariadb.ts'
