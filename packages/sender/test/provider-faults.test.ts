import { generateKeyPairSync } from 'node:crypto'

import { createCertificates } from '@lhspn/apns-simulator'
import { afterAll, describe, expect, test } from 'vitest'

import { openCertificate, openSigningKey } from '../src/index.ts'
import { contradictions, deliverAll, expectNoLeftovers, outcomesOf, range, tally } from './delivery.ts'
import { openProviderDelivery, signingKey } from './provider-delivery.ts'
import { openProxy } from './proxy.ts'
import { certificates } from './raw-http2-server.ts'

afterAll(expectNoLeftovers)

describe('credentials', () => {
  test('a certificate: no provider token, and many streams from the first', async (context) => {
    const credentials = openCertificate(Buffer.from((await certificates).client))
    const { simulator, sender } = await openProviderDelivery(context, { sender: { credentials } })
    expect(tally(await outcomesOf(sender.send([range(0, 100)])))).toEqual({ accepted: 100 })
    expect(simulator.journal.requests().filter(({ headers }) => 'authorization' in headers)).toEqual([])
  })

  for (const kind of ['modern', 'legacy'] as const) {
    test(`a ${kind} .p12`, async (context) => {
      const credentials = openCertificate((await certificates).p12('geheim', kind), 'geheim')
      const { sender } = await openProviderDelivery(context, { sender: { credentials } })
      expect(tally(await outcomesOf(sender.send([range(0, 100)])))).toEqual({ accepted: 100 })
    })
  }

  test('a key that Apple does not know stops the sender after one request', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context, {
      sender: { credentials: signingKey },
      blames: ['InvalidProviderToken'],
    })
    const { outcomes, error } = await deliverAll(sender, range(0, 100))
    expect([tally(outcomes), error?.code]).toEqual([{ 'unsent Stopped': 100 }, 'credentials-refused'])
    expect(simulator.journal.requests().length).toBe(1)
    // Every later call gets the same error.
    expect((await deliverAll(sender, range(0, 1))).error).toBe(error)
  })

  test('a key of the other environment stops the sender', async (context) => {
    const keys = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    const ids = { keyId: 'KEYOFSBOX1', teamId: 'TEAMOFSBX1' }
    const { sender } = await openProviderDelivery(context, {
      signingKeys: [{ ...ids, publicKey: keys.publicKey, environment: 'sandbox' }],
      sender: { credentials: openSigningKey(keys.privateKey, ids) },
      blames: ['BadEnvironmentKeyIdInToken'],
    })
    const { outcomes, error } = await deliverAll(sender, range(0, 100))
    expect([tally(outcomes), error?.code]).toEqual([{ 'unsent Stopped': 100 }, 'credentials-refused'])
  })

  test('a certificate of another app stops the sender', async (context) => {
    const other = await createCertificates({ topic: 'com.example.other' })
    const { sender } = await openProviderDelivery(context, {
      certificates: other,
      sender: { ca: other.ca, credentials: openCertificate(Buffer.from(other.client)) },
      blames: ['TopicDisallowed', 'BadTopic'],
    })
    const { outcomes, error } = await deliverAll(sender, range(0, 100))
    const kinds = new Set(outcomes.map(({ kind }) => kind))
    expect([[...kinds], error?.code]).toEqual([['unsent'], 'credentials-refused'])
  })

  test('a certificate that Apple revoked stops the sender, by a TLS alert', async (context) => {
    const credentials = openCertificate(Buffer.from((await certificates).client))
    const { sender } = await openProviderDelivery(context, {
      script: { provider: { connections: [{ nth: { from: 1 }, do: 'tls-alert' }] } },
      sender: { credentials },
    })
    const { outcomes, error } = await deliverAll(sender, range(0, 100))
    expect([tally(outcomes), error?.code]).toEqual([{ 'unsent Stopped': 100 }, 'credentials-refused'])
  })
})

test('through a proxy, every connection', async (context) => {
  const { port, asked } = await openProxy(context)
  const { simulator, sender } = await openProviderDelivery(context, {
    script: { provider: { rules: [{ when: { every: 300 }, do: { goaway: 'before' } }] } },
    sender: { proxy: `http://127.0.0.1:${port}` },
  })
  expect(tally(await outcomesOf(sender.send([range(0, 1000)])))).toEqual({ accepted: 1000 })
  expect(asked.length).toBe(simulator.journal.connections)
  expect(new Set(asked.map(({ target }) => target))).toEqual(new Set([simulator.provider]))
})

describe('faults of connections and streams: the outcomes and the journal agree', () => {
  test.for<{ what: string; options: object; counts?: Record<string, number> }>([
    {
      what: 'GOAWAY, the one that it came at taken',
      options: provider({ rules: [{ when: { every: 100 }, do: { goaway: 'this', reason: 'Shutdown' } }] }),
      counts: { accepted: 1000 },
    },
    {
      what: 'GOAWAY, the one that it came at not looked at',
      options: provider({ rules: [{ when: { every: 100 }, do: { goaway: 'before' } }] }),
      counts: { accepted: 1000 },
    },
    {
      what: 'GOAWAY that names no stream',
      options: provider({ rules: [{ when: { every: 100 }, do: { goaway: 'zero', text: 'going\0' } }] }),
      counts: { accepted: 1000 },
    },
    {
      what: 'refused streams',
      options: provider({ rules: [{ when: { chance: 0.3 }, do: 'refuse-stream' }] }),
      counts: { accepted: 1000 },
    },
    {
      what: 'resets',
      options: provider({ rules: [{ when: { every: 100 }, do: { reset: 2 } }] }),
      counts: { accepted: 990, 'unconfirmed StreamReset': 10 },
    },
    { what: 'closes', options: provider({ rules: [{ when: { every: 100 }, do: 'close' }] }) },
    { what: 'TCP resets', options: provider({ rules: [{ when: { every: 100 }, do: 'reset' }] }) },
    {
      what: 'answers that never come',
      options: { ...provider({ rules: [{ when: { every: 100 }, do: 'silent' }] }), sender: { requestTimeoutMs: 1000 } },
      counts: { accepted: 990, 'unconfirmed NoAnswer': 10 },
    },
    {
      what: 'answers that take their time',
      options: {
        ...provider({ rules: [{ when: { every: 100 }, do: { status: 200, delayMs: 300 } }] }),
        sender: { requestTimeoutMs: 2000 },
      },
      counts: { accepted: 1000 },
    },
    {
      what: 'a connection that plays dead',
      options: {
        ...provider({ rules: [{ when: { nth: 100 }, do: 'silent-connection' }] }),
        sender: { requestTimeoutMs: 1000 },
      },
    },
    {
      what: 'connections that come to nothing',
      options: {
        ...provider({
          connections: [
            { nth: 1, do: 'refuse' },
            { nth: 2, do: 'close-at-once' },
            { nth: 3, do: 'half-open' },
          ],
        }),
        sender: { requestTimeoutMs: 1000 },
      },
      counts: { accepted: 1000 },
    },
    { what: 'a limit of two streams', options: provider({ maxConcurrentStreams: 2 }), counts: { accepted: 1000 } },
  ])('$what', async ({ options, counts }, context) => {
    const { simulator, sender } = await openProviderDelivery(context, options)
    const sent = range(0, 1000)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    if (counts === undefined) {
      const {
        accepted = 0,
        'unconfirmed ConnectionLost': lost = 0,
        'unconfirmed NoAnswer': silent = 0,
      } = tally(outcomes)
      expect(accepted + lost + silent).toBe(1000)
      expect(lost + silent).toBeGreaterThan(0)
    } else expect(tally(outcomes)).toEqual(counts)
  })

  test.for([1, 2])('all of them mixed, seed %i', async (seed, context) => {
    const chances = [
      { goaway: 'this' },
      { goaway: 'before', reason: 'Shutdown' },
      { goaway: 'zero' },
      { reset: 8 },
      { status: 410, reason: 'Unregistered', timestamp: 1 },
      { status: 400, reason: 'BadDeviceToken' },
      { status: 429, reason: 'TooManyRequests' },
      { status: 500, reason: 'InternalServerError' },
      { status: 200, delayMs: 20 },
      'refuse-stream',
      'close',
      'reset',
      'silent',
    ] as const
    const rules = chances.map((action) => ({ when: { chance: 0.003 }, do: action }))
    const { simulator, sender } = await openProviderDelivery(context, {
      seed,
      script: { provider: { rules } },
      sender: { requestTimeoutMs: 500, connections: 3 },
    })
    const [report, resend] = [range(0, 1500), range(1500, 3000)]
    const [first, second] = await Promise.all([
      outcomesOf(sender.send([report])),
      outcomesOf(sender.send([resend], { onUnconfirmed: 'resend' })),
    ])
    expect([first.length, second.length]).toEqual([1500, 1500])
    expect(found(contradictions(simulator.journal, report, first))).toEqual([])
    expect(found(contradictions(simulator.journal, resend, second, true))).toEqual([])
    // Only what was lost five times stays so.
    expect(second.filter(({ kind, attempts }) => kind === 'unconfirmed' && attempts < 5)).toEqual([])
  })
})

test('limits that change while it sends are kept', async (context) => {
  const { simulator, sender } = await openProviderDelivery(context, {
    script: { provider: { maxConcurrentStreams: 100 } },
  })
  const outcomes = []
  const limits = [3, 50, 1, 200]
  for await (const some of sender.send([range(0, 2000)])) {
    outcomes.push(...some)
    const limit = limits[Math.floor(outcomes.length / 400)]
    if (limit !== undefined) simulator.script({ provider: { maxConcurrentStreams: limit } })
  }
  expect(tally(outcomes)).toEqual({ accepted: 2000 })
  expect(simulator.journal.violations()).toEqual([])
})

/** The contradictions that are about what was sent here: another call used the same journal. */
function found(contradictory: readonly string[]): readonly string[] {
  return contradictory.filter((text) => !text.endsWith('were taken that nobody sent'))
}

function provider(rules: object): object {
  return { script: { provider: rules } }
}
