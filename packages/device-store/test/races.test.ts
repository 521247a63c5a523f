import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { DatabaseError } from '@lhspn/database'
import { startMariaDb } from '@lhspn/test-servers'
import { describe, expect, onTestFinished, test } from 'vitest'

import { ENGINES, openStore } from './engines.ts'
import { APP, expectPairsMatch, token, tokensOf } from './fixtures.ts'

const CONNECTIONS = 16
const many = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n))

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('of many first saves of one token one creates it, and the attributes of one are listed', async () => {
    const url = await freshUrl()
    const stores = await Promise.all(many(4, () => openStore(url)))
    for (let round = 0; round < 5; round++) {
      const saves = many(CONNECTIONS, (n) =>
        stores[n % 4]?.save([{ app: APP, token: token(round), attributes: { [`only${n}`]: n, who: n } }]),
      )
      const saved = (await Promise.all(saves)).flatMap((each) => each ?? [])
      expect(saved.filter(({ created }) => created)).toHaveLength(1)
    }
    await expectPairsMatch(stores[0] as (typeof stores)[0])
  })

  test('a device that registers while feedback removes it stays', async () => {
    const url = await freshUrl()
    const [old, young] = [await openStore(url, { now: () => 10_000 }), await openStore(url, { now: () => 30_000 })]
    for (let round = 0; round < 25; round++) {
      await old.save([{ app: APP, token: token(round), attributes: { old: round } }])
      await Promise.all([
        young.save([{ app: APP, token: token(round), attributes: { young: round } }]),
        old.removeByFeedback(APP, 'production', [{ token: token(round), at: 20 }]),
      ])
    }
    expect(await tokensOf(young)).toHaveLength(25)
    expect(await tokensOf(young, { filter: ['young', 7] })).toEqual([token(7)])
    await expectPairsMatch(young)
  })

  test('badges counted from 16 connections at once give every value once', async () => {
    const url = await freshUrl()
    const stores = await Promise.all(many(4, () => openStore(url)))
    const [store] = stores as [(typeof stores)[0]]
    const tokens = many(5, token)
    await store.save(tokens.map((each) => ({ app: APP, token: each })))
    const answers = await Promise.all(
      many(CONNECTIONS, async (n) => {
        const seen: number[] = []
        for (let round = 0; round < 10; round++) {
          const order = n % 2 === 0 ? tokens : tokens.toReversed()
          const badges = (await stores[n % 4]?.incrementBadge(APP, order)) ?? []
          seen.push(badges[n % 2 === 0 ? 0 : 4] as number)
        }
        return seen
      }),
    )
    expect(new Set(answers.flat())).toEqual(new Set(many(CONNECTIONS * 10, (n) => n + 1)))
    expect((await store.getMany(APP, tokens)).map((device) => device?.badge)).toEqual(
      tokens.map(() => CONNECTIONS * 10),
    )
  })

  test('saves, changes and badges of one device at once lose none of each other', async () => {
    const store = await openStore(await freshUrl())
    await store.save([{ app: APP, token: token(1), attributes: { start: true } }])
    await Promise.all([
      ...many(20, () => store.incrementBadge(APP, [token(1)])),
      ...many(20, (n) => store.update(APP, token(1), { attributes: { [`k${n}`]: n } })),
      ...many(20, () => store.save([{ app: APP, token: token(1), osVersion: '18' }])),
    ])
    const device = await store.get(APP, token(1))
    expect(device).toMatchObject({ badge: 20, osVersion: '18' })
    expect(Object.keys(device?.attributes ?? {})).toHaveLength(21)
    await expectPairsMatch(store)
  })

  test('batches that overlap in opposite orders all go through', async () => {
    const url = await freshUrl()
    const stores = await Promise.all(many(4, () => openStore(url)))
    const batch = (from: number) => many(60, (n) => ({ app: APP, token: token(from + n), attributes: { from, n } }))
    await Promise.all(many(12, (n) => stores[n % 4]?.save(n % 2 === 0 ? batch(n * 5) : batch(n * 5).toReversed())))
    expect(await stores[0]?.count({ app: APP })).toBe(11 * 5 + 60)
    await expectPairsMatch(stores[0] as (typeof stores)[0])
  })

  test('several processes share a database', async () => {
    const url = await freshUrl()
    const store = await openStore(url)
    await store.save([{ app: APP, token: token(0) }])
    const children = [1000, 2000].map((first) => startChild(url, first, 40))
    for (let n = 1; n <= 40; n++) {
      await store.save([{ app: APP, token: token(n) }])
      await store.incrementBadge(APP, [token(0)])
    }
    expect(await Promise.all(children.map(({ ended }) => ended))).toEqual([0, 0])
    expect((await store.get(APP, token(0)))?.badge).toBe(120)
    expect(await store.count({ app: APP })).toBe(121)
    await expectPairsMatch(store)
  })

  test('what a process was answered is there after it was killed', async () => {
    const url = await freshUrl()
    const store = await openStore(url)
    const child = startChild(url, 1, 100_000)
    const answered: number[] = []
    for await (const line of child.lines) {
      answered.push(Number(line))
      if (answered.length === 30) child.kill()
    }
    await child.ended
    expect(answered.length).toBeGreaterThanOrEqual(30)
    const devices = await store.getMany(APP, answered.map(token))
    expect(devices.filter((device) => device === undefined)).toEqual([])
    await store.save([{ app: APP, token: token(0) }])
    await expectPairsMatch(store)
  })
})

test('with the server killed under them, every answered save is stored, and every other one got an error', async () => {
  const server = await startMariaDb({ durable: true })
  onTestFinished(() => server.stop())
  const store = await openStore(await server.database())
  await store.save([{ app: APP, token: token(0) }])
  const answered: number[] = []
  const errors: unknown[] = []
  let killed: Promise<void> | undefined
  await Promise.all(
    many(5000, async (n) => {
      try {
        await store.save([{ app: APP, token: token(n + 1), attributes: { n } }])
        answered.push(n + 1)
      } catch (error) {
        errors.push(error)
      }
      if (answered.length >= 100) killed ??= server.kill()
    }),
  )
  await killed
  expect(errors.length).toBeGreaterThan(0)
  expect(errors.filter((error) => !(error instanceof DatabaseError))).toEqual([])
  await server.restart()
  const devices = await store.getMany(APP, answered.map(token))
  expect(devices.filter((device) => device === undefined)).toEqual([])
  await expectPairsMatch(store)
})

function startChild(url: string, first: number, count: number) {
  const script = fileURLToPath(new URL('child.ts', import.meta.url))
  const words = [
    '--conditions=lhspn-source',
    '--import',
    import.meta.resolve('tsx'),
    script,
    url,
    `${first}`,
    `${count}`,
  ]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit').then(([code]) => code as number | null)
  return { ended, lines: createInterface(child.stdout), kill: () => child.kill('SIGKILL') }
}
