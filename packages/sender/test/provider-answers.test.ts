import { PROVIDER_REASONS, type ProviderReason } from '@lhspn/apns-protocol'
import { afterAll, describe, expect, test } from 'vitest'

import { contradictions, deliverAll, expectNoLeftovers, numbered, outcomesOf, range, tally } from './delivery.ts'
import { eventsOf, openProviderDelivery } from './provider-delivery.ts'

afterAll(expectNoLeftovers)

/** The one that is answered in another way than the others. */
const ODD = numbered(20)

/** What becomes of a notification that is answered so once. */
const ONCE: Readonly<Record<ProviderReason, string>> = {
  BadCollapseId: 'rejected BadCollapseId',
  BadDeviceToken: 'rejected BadDeviceToken',
  BadExpirationDate: 'rejected BadExpirationDate',
  BadMessageId: 'rejected BadMessageId',
  BadPriority: 'rejected BadPriority',
  BadTopic: 'rejected BadTopic',
  DeviceTokenNotForTopic: 'rejected DeviceTokenNotForTopic',
  DuplicateHeaders: 'rejected DuplicateHeaders',
  IdleTimeout: 'accepted x2',
  InvalidPushType: 'rejected InvalidPushType',
  MissingDeviceToken: 'rejected MissingDeviceToken',
  MissingTopic: 'rejected MissingTopic',
  PayloadEmpty: 'rejected PayloadEmpty',
  TopicDisallowed: 'unsent Stopped',
  BadCertificate: 'unsent Stopped',
  BadCertificateEnvironment: 'unsent Stopped',
  BadEnvironmentKeyIdInToken: 'unsent Stopped',
  ExpiredProviderToken: 'accepted',
  Forbidden: 'unsent Stopped',
  InvalidProviderToken: 'unsent Stopped',
  MissingProviderToken: 'unsent Stopped',
  UnrelatedKeyIdInToken: 'accepted',
  BadPath: 'rejected BadPath',
  MethodNotAllowed: 'rejected MethodNotAllowed',
  ExpiredToken: 'unregistered ExpiredToken',
  Unregistered: 'unregistered Unregistered',
  PayloadTooLarge: 'rejected PayloadTooLarge',
  TooManyProviderTokenUpdates: 'accepted x2',
  TooManyRequests: 'accepted x2',
  InternalServerError: 'accepted x2',
  ServiceUnavailable: 'accepted x2',
  Shutdown: 'accepted x2',
}

describe('an answer decides about its notification, and no other', () => {
  for (const [reason, outcome] of Object.entries(ONCE)) {
    test(`${reason}: ${outcome}`, async (context) => {
      const facts = PROVIDER_REASONS[reason as ProviderReason].status as number | readonly number[]
      const status = typeof facts === 'number' ? facts : (facts[0] as number)
      const answer = { status, reason, ...(status === 410 && { timestamp: 1_700_000_000_000 }) }
      const rule = { when: { token: ODD.token }, times: 1, do: answer }
      const { simulator, sender } = await openProviderDelivery(context, { script: { provider: { rules: [rule] } } })
      const sent = range(0, 40)
      const { outcomes, error } = await deliverAll(sender, sent)
      expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
      const odd = outcomes.find(({ notification }) => notification.token === ODD.token)
      expect(tally(odd === undefined ? [] : [odd])).toEqual({ [outcome]: 1 })
      if (outcome === 'unsent Stopped') {
        expect(error).toMatchObject({ code: 'credentials-refused', message: expect.stringContaining(reason) as string })
        expect(odd).toMatchObject({ status, attempts: 0 })
        const { accepted = 0, 'unsent Stopped': unsent = 0, ...rest } = tally(outcomes)
        expect([accepted + unsent, rest]).toEqual([40, {}])
      } else {
        expect(error).toBeUndefined()
        expect(tally(outcomes.filter((other) => other !== odd))).toEqual({ accepted: 39 })
        if (odd?.kind === 'rejected') expect(odd.status).toBe(status)
        if (odd?.kind === 'unregistered') expect(odd.since).toBe(1_700_000_000_000)
      }
    })
  }

  test.for([
    { answer: { status: 400, reason: 'NeverHeardOf' }, outcome: 'rejected NeverHeardOf' },
    { answer: { status: 400 }, outcome: 'rejected Unexplained' },
    { answer: { status: 418 }, outcome: 'rejected Unexplained' },
    { answer: { status: 302 }, outcome: 'accepted x2' },
    { answer: { status: 410 }, outcome: 'unregistered Unexplained' },
    { answer: { status: 410, reason: 'NeverHeardOf' }, outcome: 'unregistered NeverHeardOf' },
    { answer: { status: 403 }, outcome: 'unsent Stopped' },
    { answer: { status: 403, reason: 'NeverHeardOf' }, outcome: 'unsent Stopped' },
    { answer: { status: 429 }, outcome: 'accepted x2' },
    { answer: { status: 502 }, outcome: 'accepted x2' },
    { answer: { status: 599, reason: 'NeverHeardOf' }, outcome: 'accepted x2' },
  ])('$answer.status $answer.reason: $outcome', async ({ answer, outcome }, context) => {
    const rule = { when: { token: ODD.token }, times: 1, do: answer }
    const { simulator, sender } = await openProviderDelivery(context, { script: { provider: { rules: [rule] } } })
    const sent = range(0, 40)
    const { outcomes } = await deliverAll(sender, sent)
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    const odd = outcomes.filter(({ notification }) => notification.token === ODD.token)
    expect(tally(odd)).toEqual({ [outcome]: 1 })
  })
})

describe('a service that is not available', () => {
  test('for one: it goes again as often as it may, and is refused then', async (context) => {
    const rule = { when: { token: ODD.token }, do: { status: 429, reason: 'TooManyRequests' } }
    const { simulator, sender } = await openProviderDelivery(context, {
      script: { provider: { rules: [rule] } },
      sender: { attempts: 3 },
    })
    const { outcomes } = await deliverAll(sender, range(0, 40))
    expect(tally(outcomes)).toEqual({ accepted: 39, 'rejected TooManyRequests x3': 1 })
    expect(simulator.journal.refusals()).toEqual(new Map([['TooManyRequests', 3]]))
  })

  test('and asks to wait: it goes again no sooner', async (context) => {
    const rule = { when: { token: ODD.token }, times: 1, do: { status: 429, reason: 'TooManyRequests', retryAfter: 1 } }
    const { sender } = await openProviderDelivery(context, { script: { provider: { rules: [rule] } } })
    const start = performance.now()
    expect(tally(await outcomesOf(sender.send([range(0, 40)])))).toEqual({ accepted: 39, 'accepted x2': 1 })
    expect(performance.now() - start).toBeGreaterThanOrEqual(1000)
  })

  test('and asks to wait for long: it is given back at once, with the time', async (context) => {
    const later = new Date(Date.now() + 3_600_000).toUTCString()
    const rules = [
      { when: { token: ODD.token }, do: { status: 429, reason: 'TooManyRequests', retryAfter: 61 } },
      { when: { token: numbered(21).token }, do: { status: 503, reason: 'ServiceUnavailable', retryAfter: later } },
    ]
    const { sender } = await openProviderDelivery(context, { script: { provider: { rules } } })
    const outcomes = await outcomesOf(sender.send([range(0, 40)]))
    expect(tally(outcomes)).toEqual({ accepted: 38, 'unsent RetryLater x1': 2 })
    const [soon, late] = [20, 21].map(
      (number) => outcomes.find(({ notification }) => notification.number === number)?.retryAt ?? 0,
    )
    const now = Date.now()
    expect(Math.abs((soon as number) - now - 61_000)).toBeLessThan(10_000)
    expect(Math.abs((late as number) - now - 3_600_000)).toBeLessThan(10_000)
  })

  test('for all: after twenty in a row one at a time is tried, until one is accepted', async (context) => {
    const rule = { when: {}, times: 23, do: { status: 503, reason: 'ServiceUnavailable' } }
    const { simulator, sender, events } = await openProviderDelivery(context, {
      script: { provider: { rules: [{ when: { nth: 1 }, do: { status: 200 } }, rule] } },
    })
    const sent = range(0, 200)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(outcomes.every(({ kind }) => kind === 'accepted')).toBe(true)
    expect(eventsOf(events, 'hold').map((event) => 'holding' in event && event.holding)).toEqual([true, false])
  })

  test('for all, and asks to wait for long: every call ends with the time to try again', async (context) => {
    const answer = { status: 503, reason: 'Shutdown', retryAfter: 120 }
    const { simulator, sender } = await openProviderDelivery(context, {
      script: {
        provider: {
          rules: [
            { when: { nth: 1 }, do: { status: 200 } },
            { when: {}, do: answer },
          ],
        },
      },
    })
    const sent = range(0, 200)
    const { outcomes, error } = await deliverAll(sender, sent)
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(error?.code).toBe('unavailable')
    const { accepted, ...rest } = tally(outcomes)
    expect(accepted).toBe(1)
    expect(Object.keys(rest).every((key) => key.startsWith('unsent RetryLater'))).toBe(true)
    for (const { kind, retryAt = 0 } of outcomes)
      if (kind === 'unsent') expect(retryAt).toBeGreaterThan(Date.now() + 50_000)
  })
})

describe('provider tokens', () => {
  const expired = { status: 403, reason: 'ExpiredProviderToken' }
  const unrelated = { status: 403, reason: 'UnrelatedKeyIdInToken' }

  test('one that Apple calls expired is replaced at once, on a new connection', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context, {
      script: { provider: { rules: [{ when: { nth: 50 }, do: expired }] } },
      sender: { connections: 1 },
    })
    expect(tally(await outcomesOf(sender.send([range(0, 200)])))).toEqual({ accepted: 200 })
    const tokens = simulator.journal.requests().map(({ connection, headers }) => [connection, headers['authorization']])
    // Apple takes no second one on a connection within 20 minutes.
    for (const connection of new Set(tokens.map(([number]) => number)))
      expect(new Set(tokens.filter(([number]) => number === connection).map(([, text]) => text)).size).toBe(1)
    expect(new Set(tokens.map(([number]) => number)).size).toBe(2)
  })

  test('one that Apple calls expired again and again stops the sender', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context, {
      script: { provider: { rules: [{ when: {}, do: expired }] } },
      sender: { connections: 1 },
    })
    const { outcomes, error } = await deliverAll(sender, range(0, 200))
    expect([tally(outcomes), error?.code]).toEqual([{ 'unsent Stopped': 200 }, 'credentials-refused'])
    expect(simulator.journal.refusals()).toEqual(new Map([['ExpiredProviderToken', 2]]))
  })

  test('a connection that is another key’s is left for a new one', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context, {
      script: { provider: { rules: [{ when: { connection: 1 }, do: unrelated }] } },
      sender: { connections: 1 },
    })
    expect(tally(await outcomesOf(sender.send([range(0, 200)])))).toEqual({ accepted: 200 })
    expect(simulator.journal.connections).toBe(2)
  })

  test('a key that no connection takes stops the sender', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context, {
      script: { provider: { rules: [{ when: {}, do: unrelated }] } },
      sender: { connections: 1 },
    })
    const { outcomes, error } = await deliverAll(sender, range(0, 200))
    expect([tally(outcomes), error?.code]).toEqual([{ 'unsent Stopped': 200 }, 'credentials-refused'])
    expect(simulator.journal.requests().length).toBe(2)
  })
})
