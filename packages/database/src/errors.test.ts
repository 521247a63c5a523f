import { expect, test } from 'vitest'

import { databaseError, fromMysqlFailure, fromSqliteFailure } from './errors.ts'

const failure = (properties: object) => Object.assign(new Error('message'), properties)

test.for([
  { errno: 1213, code: 'deadlock' },
  { errno: 1020, code: 'deadlock' },
  { errno: 1205, code: 'busy' },
  { errno: 1062, code: 'constraint' },
  { errno: 1406, code: 'constraint' },
  { errno: 1045, code: 'access-denied' },
  { errno: 1142, code: 'access-denied' },
  { errno: 1049, code: 'unreachable' },
  { errno: 1040, code: 'unreachable' },
  { errno: 1053, code: 'connection-lost' },
  { errno: 1927, code: 'connection-lost' },
  { errno: 1064, code: 'failed' },
])('MySQL $errno is $code', ({ errno, code }) => {
  expect(fromMysqlFailure(failure({ errno })).code).toBe(code)
})

test.for(['ECONNRESET', 'EPIPE', 'PROTOCOL_CONNECTION_LOST', 'ECONNREFUSED'])(
  '%s is unreachable while connecting, and a lost connection later',
  (code) => {
    expect(fromMysqlFailure(failure({ code }), true).code).toBe('unreachable')
    expect(fromMysqlFailure(failure({ code })).code).toBe('connection-lost')
  },
)

test('a fatal error without a code is a lost connection', () => {
  expect(fromMysqlFailure(failure({ fatal: true })).code).toBe('connection-lost')
})

test('the statement, with whole tokens in it, is not kept', () => {
  expect(fromMysqlFailure(failure({ sql: 'INSERT …' })).cause).not.toHaveProperty('sql')
})

test.for([
  { errcode: 5, code: 'busy' },
  { errcode: 517, code: 'busy' }, // SQLITE_BUSY_SNAPSHOT
  { errcode: 6, code: 'busy' },
  { errcode: 14, code: 'unreachable' },
  { errcode: 8, code: 'access-denied' },
  { errcode: 1555, code: 'constraint' },
  { errcode: 26, code: 'failed' },
  { errcode: 13, code: 'failed' },
])('SQLite $errcode is $code', ({ errcode, code }) => {
  expect(fromSqliteFailure(failure({ errcode }), 'x.db').code).toBe(code)
})

test('an error of ours stays as it is', () => {
  const ours = databaseError('busy', 'as it is')
  expect(fromMysqlFailure(ours)).toBe(ours)
  expect(fromSqliteFailure(ours, '')).toBe(ours)
})
