import { once } from 'node:events'

import { expect, test } from 'vitest'

import type { ProviderAction, Simulator } from '../src/index.ts'
import { received, type ProviderClient } from './provider-client.ts'
import { connectTo, start, told } from './provider-stage.ts'

const OTHER = 'ab'.repeat(32)

/** Sends requests to different tokens at once on a connection that has proven itself with a first one. */
async function burst(
  simulator: Simulator,
  tokens: readonly string[],
): Promise<{ answers: unknown[]; client: ProviderClient }> {
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(1000)
  const answers = await Promise.all(tokens.map((token) => client.send({ ':path': `/3/device/${token}` })))
  return { answers: answers.map((answer) => told(answer)), client }
}

const TOKENS = ['a1', 'a2', 'a3', 'a4'].map((byte) => byte.repeat(32))
/** The journal after a burst: verdicts of the requests behind the first. */
function verdicts({ journal }: Simulator): string[] {
  return journal
    .requests()
    .slice(1)
    .map(({ verdict }) => verdict)
}
const THIRD = { token: 'a3'.repeat(32) }

test.for<{ do: ProviderAction; name: string; answers: unknown[]; verdicts: string[]; goaways: unknown[] }>([
  {
    name: 'GOAWAY with this request',
    do: { goaway: 'this', reason: 'Shutdown' },
    answers: [200, 200, 200, 'reset 7'],
    verdicts: ['accepted', 'accepted', 'accepted'],
    goaways: [[0, 7, '{"reason":"Shutdown"}']],
  },
  {
    name: 'GOAWAY before this request',
    do: { goaway: 'before', code: 2, text: 'out of order' },
    answers: [200, 200, 'reset 2', 'reset 2'],
    verdicts: ['accepted', 'accepted', 'discarded'],
    goaways: [[2, 5, 'out of order']],
  },
  {
    name: 'GOAWAY with no stream',
    do: { goaway: 'zero', reason: 'BadCertificateEnvironment' },
    answers: [200, 200, 'reset 7', 'reset 7'],
    verdicts: ['accepted', 'accepted', 'discarded'],
    goaways: [[0, 0, '{"reason":"BadCertificateEnvironment"}']],
  },
])('$name', async ({ do: action, answers, verdicts: due, goaways }) => {
  const simulator = await start({ rules: [{ when: THIRD, do: action }] })
  const got = await burst(simulator, TOKENS)
  await got.client.closed
  expect(got.client.goaways).toEqual(goaways)
  expect(got.answers).toEqual(answers)
  // what is behind may come after the end
  expect(verdicts(simulator).slice(0, 3)).toEqual(due)
  expect(simulator.journal.acceptedTimes(TOKENS[3] ?? '')).toBe(0)
  await simulator.journal.waitFor(({ closed }) => closed === 1)
  expect(simulator.journal.violations()).toEqual([])
})

test.for<{ do: ProviderAction; answer: unknown }>([
  { do: 'refuse-stream', answer: 'reset 7' },
  { do: { reset: 2 }, answer: 'reset 2' },
  { do: { status: 500, reason: 'InternalServerError', delayMs: 50 }, answer: [500, { reason: 'InternalServerError' }] },
  { do: { status: 200, delayMs: 50 }, answer: 200 },
])('$do is about its own stream only', async ({ do: action, answer }) => {
  const simulator = await start({ rules: [{ when: THIRD, do: action }] })
  const { answers, client } = await burst(simulator, TOKENS)
  expect(answers).toEqual([200, 200, answer, 200])
  expect(told(await client.send())).toBe(200)
})

test('silent: the request is never answered, all others are', async () => {
  const simulator = await start({ rules: [{ when: THIRD, do: 'silent' }] })
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(1000)
  const silent = received(client.open({ ':path': `/3/device/${THIRD.token}` }))
  expect(told(await client.send())).toBe(200)
  expect(verdicts(simulator)).toEqual(['discarded', 'accepted'])
  client.session.destroy()
  expect((await silent).status).toBeUndefined()
})

test('silent-connection: what came before is answered; then not even a ping is', async () => {
  const simulator = await start({ rules: [{ when: THIRD, do: 'silent-connection' }] })
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(1000)
  const answers = TOKENS.map((token) => received(client.open({ ':path': `/3/device/${token}` })))
  expect((await Promise.all(answers.slice(0, 2))).map((answer) => told(answer))).toEqual([200, 200])
  let answered = false
  client.session.ping(() => (answered = true))
  await simulator.journal.waitFor((journal) => journal.counts().discarded > 0)
  // a second connection is served meanwhile: the first had all the time that an answer takes
  expect(told(await connectTo(simulator).send())).toBe(200)
  expect(answered).toBe(false)
  expect(simulator.journal.closed).toBe(0)
})

test.for<{ do: 'close' | 'reset' }>([{ do: 'close' }, { do: 'reset' }])(
  '$do: ends the connection without a GOAWAY',
  async ({ do: action }) => {
    const simulator = await start({ rules: [{ when: THIRD, do: action }] })
    const { answers, client } = await burst(simulator, TOKENS)
    await client.closed
    expect(client.goaways).toEqual([])
    if (action === 'close') expect(answers.slice(0, 2)).toEqual([200, 200])
    expect(answers[2]).toMatch(/^reset/)
    expect(verdicts(simulator).slice(0, 3)).toEqual(['accepted', 'accepted', 'discarded'])
    expect(simulator.journal.acceptedTimes(TOKENS[3] ?? '')).toBe(0)
    await simulator.journal.waitFor(({ closed }) => closed === 1)
    expect(told(await connectTo(simulator).send())).toBe(200)
    expect(simulator.journal.violations()).toEqual([])
  },
)

test('an answer that is delayed is owed: the connection waits for it behind a GOAWAY', async () => {
  const simulator = await start({
    rules: [
      { when: { token: OTHER }, do: { status: 200, delayMs: 50 } },
      { when: THIRD, do: { goaway: 'this' } },
    ],
  })
  const { answers, client } = await burst(simulator, [OTHER, THIRD.token])
  await client.closed
  expect(answers).toEqual([200, 200])
  expect(client.goaways[0]).toEqual([0, 5, ''])
})

test('no GOAWAY names a higher stream than one before it, and what is owed is answered', async () => {
  const simulator = await start({
    rules: [
      { when: { token: OTHER }, do: { goaway: 'this' } },
      { when: THIRD, do: { goaway: 'before' } },
    ],
  })
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(1000)
  const held = client.open({ ':path': `/3/device/${OTHER}` }, null)
  await client.send({ ':path': `/3/device/${THIRD.token}` })
  held.end('{"aps":{"alert":"Hello"}}')
  expect(told(await received(held))).toBe(200)
  await client.closed
  // a second one may come too late for a client that has all its answers
  expect(new Set(client.goaways.map(([, last]) => last))).toEqual(new Set([3]))
})

test('an answer that is delayed is lost where its connection falls silent', async () => {
  const simulator = await start({
    rules: [
      { when: { token: OTHER }, do: { status: 500, reason: 'InternalServerError', delayMs: 50 } },
      { when: THIRD, do: 'silent-connection' },
    ],
  })
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(1000)
  const answered: unknown[] = []
  for (const token of [OTHER, THIRD.token])
    client.open({ ':path': `/3/device/${token}` }).on('response', (headers) => answered.push(headers[':status']))
  await simulator.journal.waitFor((journal) => journal.refusals().size === 1)
  // a second connection is served meanwhile: the first had all the time that an answer takes
  expect(told(await connectTo(simulator).send())).toBe(200)
  expect(answered).toEqual([])
})

test('an answer that is delayed is taken at once; GOAWAY without a stream lets it go first', async () => {
  const simulator = await start({
    rules: [
      { when: { token: OTHER }, do: { status: 200, delayMs: 3_600_000 } },
      { when: THIRD, do: { goaway: 'zero' } },
    ],
  })
  const { answers } = await burst(simulator, [OTHER, THIRD.token])
  expect(answers).toEqual([200, 'reset 7'])
  expect(verdicts(simulator)).toEqual(['accepted', 'discarded'])
})

test('an answer that is delayed is lost with its connection, and what was taken stays taken', async () => {
  const simulator = await start({
    rules: [
      { when: { token: OTHER }, do: { status: 200, delayMs: 3_600_000 } },
      { when: THIRD, do: 'close' },
    ],
  })
  const { answers } = await burst(simulator, [OTHER, THIRD.token])
  expect(answers[0]).toMatch(/^reset/)
  expect(simulator.journal.acceptedTimes(OTHER)).toBe(1)
})

test.for<{ do: 'refuse' | 'close-at-once' }>([{ do: 'refuse' }, { do: 'close-at-once' }])(
  'a connection with $do comes to nothing, the next one is served',
  async ({ do: action }) => {
    const simulator = await start({ connections: [{ nth: 1, do: action }] })
    const first = connectTo(simulator)
    expect((await first.send()).status).toBeUndefined()
    await first.closed
    expect(told(await connectTo(simulator).send())).toBe(200)
    expect(simulator.journal.connections).toBe(2)
    expect(simulator.journal.requests()).toMatchObject([{ connection: 2 }])
  },
)

test('tls-alert: the client learns that its certificate is revoked', async () => {
  const simulator = await start({ connections: [{ nth: 1, do: 'tls-alert' }] })
  const stream = connectTo(simulator).open()
  const [error] = await once(stream, 'error')
  expect(error).toMatchObject({ code: expect.stringMatching(/ALERT_CERTIFICATE_REVOKED/) })
})

test('half-open: nothing comes, not even SETTINGS, and it stays open', async () => {
  const simulator = await start({ connections: [{ nth: { from: 1, to: 1 }, do: 'half-open' }] })
  const first = connectTo(simulator)
  await once(first.session.socket, 'secureConnect')
  first.open()
  expect(told(await connectTo(simulator).send())).toBe(200)
  expect([first.limits, first.session.closed, simulator.journal.closed]).toEqual([[], false, 0])
})
