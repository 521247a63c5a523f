import { expect, test } from 'vitest'

import { startSimulator, type Simulator } from '../src/index.ts'
import { RawClient, trusted, vector } from './raw-client.ts'

const FIRST = { at: 1_373_042_568, token: '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f' }

async function read(simulator: Simulator): Promise<RawClient> {
  const client = new RawClient(simulator.feedback, trusted(simulator))
  await client.closed
  return client
}

test('the list goes to the first who reads it, as Apple writes it; the next one gets nothing', async () => {
  await using simulator = await startSimulator({ script: { feedback: [FIRST] } })
  expect(await read(simulator)).toMatchObject({ received: vector('feedback-one-32'), ended: true, error: undefined })
  expect(await read(simulator)).toMatchObject({ received: '', ended: true, error: undefined })
  expect(simulator.journal.feedbackReads).toBe(2)
  simulator.script({ feedback: [FIRST] })
  expect((await read(simulator)).received).toBe(vector('feedback-one-32'))
})

test('the stream may be cut inside a tuple; the rest is gone all the same', async () => {
  await using simulator = await startSimulator({ script: { feedback: [FIRST, FIRST], feedbackCutAt: 58 } })
  const whole = vector('feedback-one-32')
  expect(await read(simulator)).toMatchObject({ received: whole + whole.slice(0, 40), ended: true })
  expect((await read(simulator)).received).toBe('')
})
