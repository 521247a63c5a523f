import { openDeviceStore } from '@lhspn/device-store'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { decodeMembers } from '../src/chunk-members.ts'
import { changePush } from '../src/commands.ts'
import { parsePushRequest } from '../src/parse-push.ts'
import { planStream } from '../src/plan-stream.ts'
import { plan } from '../src/plan.ts'
import type { StoredPush } from '../src/push.ts'
import { listPushes, watchPush } from '../src/report.ts'
import { submit } from '../src/submit.ts'
import { ENGINES, openStore } from './engines.ts'
import { BREAKS, flaky } from './flaky-database.ts'

const APP = 'com.example.app'
const NEVER = new AbortController().signal
const tokens = Array.from({ length: 230 }, (_, n) => n.toString(16).padStart(64, '0'))
const request = (audience: object) =>
  parsePushRequest({ app: APP, audience, payload: { aps: { alert: 'Hi' } } }, { now: Date.now() })

/** Tries again, as whoever gets no answer does. */
async function untilAnswered<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if ((error as { code?: string }).code !== 'connection-lost') throw error
    }
  }
}

test.for(ENGINES)(
  'whatever answers of the database are lost, a push is stored once and planned once, on $engine',
  async ({ freshUrl }) => {
    const store = await openStore(await freshUrl())
    await store.save(tokens.map((token) => ({ app: APP, token })))
    const breaks = fc.array(fc.option(fc.constantFrom(...BREAKS), { freq: 3 }), { maxLength: 40, size: 'max' })
    let runs = 0
    await fc.assert(
      fc.asyncProperty(breaks, async (planned) => {
        const next = planned.values()
        const database = flaky(store.database, () => next.next().value ?? undefined)
        const options = {
          database,
          store: await openDeviceStore(store.database),
          queue: { offer: async () => undefined },
          chunkSize: 50,
          leaseMs: 60_000,
          onEvent: () => undefined,
        }
        const stored: number[] = []
        for (const audience of [{ all: true }, { tokens }, { stream: streamOf(tokens) }]) {
          const idempotencyKey = `${runs++}`
          const { number, planning } = await untilAnswered(() => submit(options, request(audience), { idempotencyKey }))
          stored.push(number)
          // Whoever gets no answer to a stream does not know it: it begins with another push.
          if ('stream' in audience && planning !== undefined)
            await planStream(options, planning, audience.stream, NEVER)
          else if ('stream' in audience) stored.pop()
          await untilAnswered(() => plan(options, store, number, NEVER))
          // A lease that was lost with its answer runs out.
          await store.database.execute('UPDATE push SET plan_until = 1 WHERE number = ? AND planning = 1', [number])
          await plan({ ...options, database: store.database }, store, number, NEVER)
        }
        for (const number of stored) {
          const chunks = await store.database.query<{ seq: number; members: Uint8Array }>(
            'SELECT seq, members FROM chunk WHERE push_number = ? ORDER BY seq',
            [number],
          )
          expect(chunks.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
          const members = chunks.flatMap((chunk): readonly (number | string)[] => {
            const decoded = decodeMembers(chunk.members)
            return 'ids' in decoded ? decoded.ids : decoded.tokens
          })
          expect(new Set(members).size).toBe(tokens.length)
          expect(members.length).toBe(tokens.length)
          expect(await store.database.query('SELECT planning FROM push WHERE number = ?', [number])).toEqual([
            { planning: 0 },
          ])
        }
      }),
      { numRuns: 25 },
    )
    const [pushes] = await store.database.query<{ n: number }>('SELECT COUNT(*) AS n FROM push')
    expect(pushes?.n).toBe(runs)
  },
)

test('who follows a push looks past a database that is away for a while', async () => {
  const store = await openStore('sqlite::memory:')
  /** Looks that find the database away before it is back. */
  let away = 0
  const database = flaky(store.database, () => (away > 0 ? (away--, 'before') : undefined))
  const { number } = await submit({ database, store, chunkSize: 50, leaseMs: 1000 }, request({ tokens }))
  const [push] = (await listPushes(store.database)).data
  const states: string[] = []
  for await (const { id, state } of watchPush(database, (push as StoredPush).id)) {
    states.push(state)
    if (state !== 'queued') continue
    away = 2
    await changePush(store.database, id, { state: 'canceled' })
  }
  expect(away).toBe(0)
  expect(states).toEqual(['queued', 'canceled'])
  expect(push?.number).toBe(number)
})

async function* streamOf(list: readonly string[]) {
  for (let at = 0; at < list.length; at += 70) yield list.slice(at, at + 70)
}
