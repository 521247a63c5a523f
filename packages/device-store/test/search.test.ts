import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { type Attributes, type DeviceStore, type Filter, matches } from '../src/index.ts'
import { ENGINES, openStore } from './engines.ts'
import { APP, audienceOf, expectPairsMatch, token, tokensOf } from './fixtures.ts'

const pair = fc.oneof(
  fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom(0, 1, 2, '0', true)),
  fc.tuple(fc.constant('rare'), fc.nat(20)),
  fc.tuple(fc.constant('third'), fc.nat(3)),
  fc.constant(['every', true] as const),
)
const filter = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    pair,
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((any): Filter => ({ any })),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((all): Filter => ({ all })),
    tie('filter').map((not): Filter => ({ not })),
  ),
})).filter

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('a search over many windows finds what reading every device would', async () => {
    const store = await openStore(await freshUrl())
    // Common and rare, alternating and in runs, so that windows are dense, sparse and empty.
    const devices = Array.from({ length: 6000 }, (_, n): Attributes => {
      const values = [0, 1, 2, '0', true] as const
      return {
        a: values[n % 5] as number,
        b: values[Math.floor(n / 1500)] as number,
        third: n % 3,
        every: true,
        ...(n % 97 === 0 ? { rare: Math.floor(n / 97) % 20 } : {}),
      }
    })
    await store.save(devices.map((attributes, n) => ({ app: APP, token: token(n), attributes })))
    expect(await store.count({ app: APP })).toBe(6000)
    await fc.assert(
      fc.asyncProperty(filter, async (wanted) => {
        const expected = devices.flatMap((attributes, n) => (matches(wanted, attributes) ? [token(n)] : []))
        const found = await tokensOf(store, { filter: wanted })
        expect(found.length).toBe(expected.length)
        expect(found).toEqual(expected)
        expect(await store.count({ app: APP, filter: wanted })).toBe(expected.length)
        const page = await store.page({ app: APP, filter: wanted, limit: 3 })
        expect(page.devices.map((device) => device.token)).toEqual(expected.slice(0, 3))
        expect(page.nextCursor === null).toBe(expected.length <= 3)
      }),
      {
        numRuns: 25,
        examples: [
          [
            {
              all: [
                ['rare', 3],
                ['every', true],
              ],
            },
          ],
          [
            {
              all: [
                ['rare', 3],
                ['third', 0],
              ],
            },
          ],
          [{ not: ['a', 9] }],
          [
            {
              any: [
                ['b', 0],
                ['rare', 19],
              ],
            },
          ],
        ],
      },
    )
  })

  test('whatever is done to devices, the store answers as a list in memory would', async () => {
    const store = await openStore(await freshUrl(), { now: () => clock })
    let clock = 1
    const attributes = fc.dictionary(fc.constantFrom('a', 'b', 'rare', 'third'), fc.constantFrom(0, 1, '0', true))
    const tokens = fc.array(fc.nat(12), { maxLength: 6 })
    const command = fc.oneof(
      fc.record({
        kind: fc.constant('save' as const),
        devices: fc.array(
          fc.record(
            {
              n: fc.nat(12),
              attributes: fc.option(attributes, { nil: undefined }),
              platform: fc.constantFrom('ios', 'android'),
              environment: fc.constantFrom('production' as const, 'sandbox' as const),
            },
            { requiredKeys: ['n'] },
          ),
          { maxLength: 6 },
        ),
      }),
      fc.record({
        kind: fc.constant('patch' as const),
        n: fc.nat(12),
        patch: fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom(0, '0', null)),
      }),
      fc.record({ kind: fc.constant('delete' as const), n: fc.nat(12) }),
      fc.record({ kind: fc.constant('feedback' as const), tokens, at: fc.nat(30) }),
      fc.record({ kind: fc.constant('refuse' as const), tokens }),
      fc.record({ kind: fc.constant('badge' as const), tokens }),
    )
    let round = 0
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 12 }), filter, async (commands, wanted) => {
        // A block of tokens, and an app, for each run: nothing has to be removed.
        const app = `com.example.run${round++}`
        const model = new Map<number, Model>()
        for (const each of commands) {
          clock += 1000
          await perform(store, app, model, each, clock)
        }
        const all = [...model].toSorted(([, one], [, other]) => one.order - other.order)
        const find = async (query: object) => {
          const found: string[] = []
          for await (const page of store.find({ app, ...query })) found.push(...page.map((device) => device.token))
          return found
        }
        expect(await find({})).toEqual(all.map(([n]) => token(n)))
        expect(await find({ filter: wanted })).toEqual(
          all.flatMap(([n, device]) => (matches(wanted, device.attributes) ? [token(n)] : [])),
        )
        const reached: string[] = []
        for await (const page of store.findTokens({ app, environment: 'production', filter: wanted }))
          reached.push(...page.map((each) => each.token))
        expect(await store.countTokens({ app, environment: 'production', filter: wanted })).toBe(reached.length)
        expect(reached).toEqual(
          all.flatMap(([n, device]) =>
            device.environment === 'production' &&
            device.platform === 'ios' &&
            !device.refused &&
            matches(wanted, device.attributes)
              ? [token(n)]
              : [],
          ),
        )
        const devices = await store.getMany(
          app,
          all.map(([n]) => token(n)),
        )
        expect(devices).toMatchObject(
          all.map(([, { badge, attributes: has, updatedAt }]) => ({
            badge,
            attributes: has,
            updatedAt: new Date(updatedAt),
          })),
        )
      }),
      { numRuns: 60 },
    )
    await expectPairsMatch(store)
  })
})

interface Model {
  readonly order: number
  attributes: Record<string, string | number | boolean>
  environment: 'production' | 'sandbox'
  platform: string
  refused: boolean
  badge: number
  updatedAt: number
}
type Command =
  | {
      kind: 'save'
      devices: {
        n: number
        attributes?: Record<string, string | number | boolean> | undefined
        platform?: string
        environment?: 'production' | 'sandbox'
      }[]
    }
  | { kind: 'patch'; n: number; patch: Record<string, string | number | null> }
  | { kind: 'delete'; n: number }
  | { kind: 'feedback'; tokens: number[]; at: number }
  | { kind: 'refuse' | 'badge'; tokens: number[] }

let order = 0

async function perform(store: DeviceStore, app: string, model: Map<number, Model>, command: Command, now: number) {
  switch (command.kind) {
    case 'save': {
      const created: number[] = []
      for (const { n, ...told } of command.devices) {
        if (!model.has(n)) created.push(n)
        const known = model.get(n)
        model.set(n, {
          order: known?.order ?? 0,
          attributes: told.attributes ?? known?.attributes ?? {},
          environment: told.environment ?? known?.environment ?? 'production',
          platform: told.platform ?? known?.platform ?? 'ios',
          refused: false,
          badge: known?.badge ?? 0,
          updatedAt: now,
        })
      }
      // New ones of a call are stored in the order of their tokens.
      for (const n of created.toSorted((one, other) => one - other))
        model.set(n, { ...(model.get(n) as Model), order: ++order })
      await store.save(command.devices.map(({ n, ...told }) => ({ app, token: token(n), ...told })))
      return
    }
    case 'patch': {
      const known = model.get(command.n)
      const merged = Object.entries({ ...known?.attributes, ...command.patch }).filter(([, value]) => value !== null)
      if (known !== undefined) known.attributes = Object.fromEntries(merged) as Model['attributes']
      expect((await store.update(app, token(command.n), { attributes: command.patch })) === undefined).toBe(
        known === undefined,
      )
      return
    }
    case 'delete':
      expect(await store.delete(app, token(command.n))).toBe(model.delete(command.n))
      return
    case 'feedback': {
      const due = new Set(
        command.tokens.filter((n) => {
          const known = model.get(n)
          return known !== undefined && known.environment === 'production' && known.updatedAt <= command.at * 1000
        }),
      )
      const tuples = command.tokens.map((n) => ({ token: token(n), at: command.at }))
      expect(new Set(await store.removeByFeedback(app, 'production', tuples))).toEqual(new Set([...due].map(token)))
      for (const n of due) model.delete(n)
      return
    }
    case 'refuse': {
      const due = new Set(command.tokens.filter((n) => model.get(n)?.environment === 'production'))
      for (const n of due) (model.get(n) as Model).refused = true
      const marks = command.tokens.map((n) => ({ token: token(n), reason: 'BadDeviceToken' }))
      expect(await store.refuse(app, 'production', marks)).toBe(due.size)
      return
    }
    case 'badge':
      for (const n of new Set(command.tokens)) {
        const known = model.get(n)
        if (known !== undefined) known.badge++
      }
      expect(await store.incrementBadge(app, command.tokens.map(token))).toEqual(
        command.tokens.map((n) => model.get(n)?.badge ?? 1),
      )
      return
    default:
      throw new TypeError(`no such command: ${JSON.stringify(command satisfies never)}`)
  }
}

test('an audience of several pages is whole', async () => {
  const store = await openStore('sqlite::memory:')
  await store.save(Array.from({ length: 2500 }, (_, n) => ({ app: APP, token: token(n) })))
  expect(await audienceOf(store)).toEqual(Array.from({ length: 2500 }, (_, n) => token(n)))
  const later = []
  for await (const page of store.findTokens({ app: APP, environment: 'production', after: 2000 })) later.push(...page)
  expect(await store.countTokens({ app: APP, environment: 'production' })).toBe(2500)
  expect(later.map(({ id }) => id)).toEqual(Array.from({ length: 500 }, (_, n) => 2001 + n))
})
