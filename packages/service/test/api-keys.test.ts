import { openDatabase } from '@lhspn/database'
import { describe, expect, onTestFinished, test } from 'vitest'

import { ApiKeys, type ApiKeysOptions, migrateSchema, type Scope, SCOPES } from '../src/index.ts'
import { DATABASES } from './servers.ts'

const MINUTE = 60_000
const ADMIN_KEY = 'the key that a container is started with'.replaceAll(' ', '-')

describe.for(DATABASES)('on %s', ([, url]) => {
  async function open(options: ApiKeysOptions = {}) {
    const database = await openDatabase(await url())
    onTestFinished(() => database.close())
    await migrateSchema(database)
    const keys = new ApiKeys(database, options)
    onTestFinished(() => keys.close())
    return { keys, database }
  }

  test.for(SCOPES)('a %s key is shown once, is good, and stands in the list without itself', async (scope) => {
    const { keys } = await open()
    const { key, ...made } = await keys.create({ scope, name: 'Café', app: 'com.example.app' })
    expect(key).toMatch(new RegExp(`^lhk_${scope}_[0-9A-Za-z]{40}$`))
    expect(made).toMatchObject({ scope, name: 'Café', app: 'com.example.app', lastUsedAt: null })
    expect(made.id).toMatch(/^key_[0-9A-HJKMNP-TV-Z]{26}$/)
    expect(await keys.list()).toEqual([made])
    expect(await keys.verify(key)).toEqual({ id: made.id, scope, app: 'com.example.app' })
  })

  test('the database has no key, and one that was deleted is good no longer', async () => {
    const { keys, database } = await open()
    const { key, id } = await keys.create({ scope: 'send' })
    const stored = JSON.stringify(await database.query('SELECT id, name, scope, app, hash FROM api_key'))
    expect(stored).not.toContain(key.slice(-40))
    expect(await keys.delete(id)).toBe(true)
    expect(await keys.delete(id)).toBe(false)
    expect(await keys.verify(key)).toBeUndefined()
  })

  test('what is no key is nobody', async () => {
    const { keys } = await open({ adminKey: ADMIN_KEY })
    const { key } = await keys.create({ scope: 'register' })
    const foreign = [
      key.replace('register', 'admin'),
      key.slice(0, -1),
      `${key} `,
      '',
      'lhk_register_',
      '\0',
      '😀'.repeat(1000),
    ]
    expect(await Promise.all(foreign.map((text) => keys.verify(text)))).toEqual(foreign.map(() => undefined))
  })

  test('the key of the environment is an admin key beside the others', async () => {
    const { keys } = await open({ adminKey: ADMIN_KEY })
    expect(await keys.verify(ADMIN_KEY)).toEqual({ id: 'LHSPN_ADMIN_KEY', scope: 'admin', app: null })
    expect(await keys.verify(`${ADMIN_KEY}!`)).toBeUndefined()
    expect(await keys.list()).toEqual([])
  })

  test('a key bound to an app is listed and deleted with the others of that app', async () => {
    const { keys } = await open()
    const made: string[] = []
    for (const app of ['com.example.app', 'com.example.other', null] as const) {
      made.push((await keys.create({ scope: 'send', app })).id)
    }
    const [bound = '', other = ''] = made
    expect((await keys.list()).map(({ id }) => id).toSorted()).toEqual(made.toSorted())
    expect((await keys.list({ app: 'com.example.app' })).map(({ id }) => id)).toEqual([bound])
    expect(await keys.delete(other, { app: 'com.example.app' })).toBe(false)
    expect(await keys.delete(bound, { app: 'com.example.app' })).toBe(true)
  })

  test('pages of the list go on where the one before ended', async () => {
    const { keys } = await open()
    const scopes: Scope[] = ['register', 'send', 'admin', 'send', 'register']
    for (const scope of scopes) await keys.create({ scope })
    const all = await keys.list()
    const first = await keys.list({ limit: 2 })
    const rest = await keys.list({ limit: 4, after: first.at(-1)?.id })
    expect([...first, ...rest]).toEqual(all)
    expect(first).toHaveLength(2)
  })

  test('the last use is noted, at most once a minute', async () => {
    const clock = { now: 1_700_000_000_000 }
    const { keys } = await open({ now: () => clock.now })
    const { key } = await keys.create({ scope: 'send' })
    const lastUse = async (): Promise<number | undefined> => {
      await keys.verify(key)
      await keys.close() // waits for what is being written
      return (await keys.list())[0]?.lastUsedAt?.getTime()
    }
    const start = clock.now
    expect(await lastUse()).toBe(start)
    clock.now = start + MINUTE - 1
    expect(await lastUse()).toBe(start)
    clock.now = start + MINUTE
    expect(await lastUse()).toBe(start + MINUTE)
  })

  test('many who ask for one key at once share queries, and a deletion before a question is always known', async () => {
    const { keys, database } = await open()
    const { key, id } = await keys.create({ scope: 'register' })
    let queries = 0
    const query = database.query.bind(database)
    database.query = (sql, parameters) => {
      queries += sql.startsWith('SELECT') ? 1 : 0
      return query(sql, parameters)
    }
    const callers = await Promise.all(Array.from({ length: 100 }, () => keys.verify(key)))
    expect(callers.every((caller) => caller?.id === id)).toBe(true)
    expect(queries).toBe(2)
    // a question from before the deletion is under way
    const early = keys.verify(key)
    await keys.delete(id)
    expect(await keys.verify(key)).toBeUndefined()
    await early
  })

  test('a name that is none is refused', async () => {
    const { keys } = await open()
    for (const name of ['x'.repeat(101), 'a\0b', '\ud800']) {
      await expect(keys.create({ scope: 'send', name })).rejects.toMatchObject({ code: 'invalid-key' })
    }
    expect(await keys.list()).toEqual([])
  })
})
