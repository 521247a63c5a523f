import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'

import { startMariaDb } from '@lhspn/test-servers'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { expect, onTestFinished, test } from 'vitest'

import { DatabaseError, openDatabase } from '../src/index.ts'
import { createCounters, freshFolder, open, readCounters } from './engines.ts'

test.for([
  'postgres://user@host/name',
  'mysql://user@host',
  'mysql://user@host/',
  'mysql://user@host/a/b',
  'mysql://host/name',
  'mysql://user@host/name?ssl=1',
  'mysql://user@host:99999/name',
  'mysql://us%er@host/name',
  'mysql:name',
  'sqlite:',
  'lhspn.db',
  '',
])('%s is no URL of a database', async (url) => {
  await expect(openDatabase(url)).rejects.toMatchObject({ code: 'invalid-url' })
})

test('the password of a URL is in no error', async () => {
  const error = await openDatabase('mysql://user:hunter2@host/').catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(DatabaseError)
  expect(String(error)).not.toContain('hunter2')
})

test('a server that is not there is unreachable', async () => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await expect(openDatabase(`mysql://root@127.0.0.1:${port}/x`)).rejects.toMatchObject({ code: 'unreachable' })
})

// The driver would give up by itself after 10 s.
test('the wait for a server that does not answer can be ended', { timeout: 5000 }, async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void silent.close())
  await once(silent, 'listening')
  const abort = new AbortController()
  silent.once('connection', (socket) => {
    onTestFinished(() => void socket.destroy())
    abort.abort(new Error('enough'))
  })
  const { port } = silent.address() as AddressInfo
  await expect(openDatabase(`mysql://root@127.0.0.1:${port}/x`, { signal: abort.signal })).rejects.toThrow('enough')
  await expect(openDatabase('sqlite::memory:', { signal: abort.signal })).rejects.toThrow('enough')
})

test('a database that does not exist, and a user who may not, are told apart', async () => {
  const url = await freshMysqlUrl()
  const database = await open(url)
  const user = `u${Math.random().toString(36).slice(2, 10)}`
  await database.execute(`CREATE USER ${user}@'127.0.0.1' IDENTIFIED BY 'p@ss/word'`)
  await database.execute(`GRANT SELECT ON ${new URL(url).pathname.slice(1)}.* TO ${user}@'127.0.0.1'`)
  onTestFinished(async () => void (await database.execute(`DROP USER ${user}@'127.0.0.1'`)))
  const as = (path: string, name: string) => Object.assign(new URL(url), { pathname: path, username: name }).href
  const own = new URL(url).pathname
  await expect(openDatabase(as('/lhspn_nowhere', 'root'))).rejects.toMatchObject({ code: 'unreachable' })
  await expect(openDatabase(as(own, user))).rejects.toMatchObject({ code: 'access-denied' })
  const reader = await openDatabase(as(own, user), { password: 'p@ss/word' })
  onTestFinished(() => reader.close())
  expect(await reader.query('SELECT 1 AS one')).toEqual([{ one: 1 }])
  await expect(reader.execute('CREATE TABLE t (n INTEGER)')).rejects.toMatchObject({ code: 'access-denied' })
})

test('a SQLite file that cannot be opened, or is none, says so', async () => {
  const folder = await freshFolder()
  await expect(openDatabase(`sqlite:${folder}/nowhere/x.db`)).rejects.toMatchObject({ code: 'unreachable' })
  await writeFile(join(folder, 'text.db'), 'this is no database, but long enough to be read as one'.repeat(100))
  await expect(openDatabase(`sqlite:${folder}/text.db`)).rejects.toMatchObject({ code: 'failed' })
})

test('a connection that breaks inside a transaction takes it along, and the next is a new one', async () => {
  const database = await open(await freshMysqlUrl())
  await createCounters(database, [1])
  const broken = database.transaction(async (transaction) => {
    await transaction.execute('UPDATE counter SET n = 7')
    const [row] = await transaction.query<{ id: number }>('SELECT CONNECTION_ID() AS id')
    await database.execute(`KILL CONNECTION ${row?.id}`)
    await transaction.execute('UPDATE counter SET n = 8').catch(() => undefined)
    await transaction.execute('UPDATE counter SET n = 9')
  })
  await expect(broken).rejects.toMatchObject({ code: 'connection-lost' })
  expect(await readCounters(database)).toEqual([0])
})

test('connections that died while they idled cost nothing', async () => {
  const database = await open(await freshMysqlUrl())
  await createCounters(database, [1])
  const killer = await open(await freshMysqlUrl())
  const [own] = await killer.query<{ id: number }>('SELECT CONNECTION_ID() AS id')
  for (let round = 0; round < 5; round++) {
    const idle = await killer.query<{ id: number }>(
      'SELECT id FROM information_schema.processlist WHERE id <> ? AND db = (SELECT db FROM information_schema.processlist WHERE id = ?)',
      [own?.id ?? 0, (await database.query<{ id: number }>('SELECT CONNECTION_ID() AS id'))[0]?.id ?? 0],
    )
    for (const { id } of idle) await killer.execute(`KILL CONNECTION ${id}`).catch(() => undefined)
    await database.transaction((transaction) => transaction.execute('UPDATE counter SET n = n + 1'))
    expect(await readCounters(database)).toEqual([round + 1])
  }
})

test('a server that is killed and started again is used again', async () => {
  const server = await startMariaDb({ durable: true })
  onTestFinished(() => server.stop())
  const database = await open(await server.database())
  await createCounters(database, [1])
  await database.execute('UPDATE counter SET n = 5')
  await server.kill()
  const down = await database.query('SELECT 1').catch((error: unknown) => error)
  expect(['unreachable', 'connection-lost']).toContain((down as DatabaseError).code)
  await expect(database.transaction(async () => 1)).rejects.toMatchObject({ name: 'DatabaseError' })
  await server.restart()
  expect(await readCounters(database)).toEqual([5])
})
