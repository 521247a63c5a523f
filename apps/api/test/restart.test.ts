import { startMariaDb } from '@lhspn/test-servers'
import { expect, onTestFinished, test } from 'vitest'

import { type Answer, startApi, tokenOf } from './harness.ts'

const REGISTRATIONS = 1000
const LIMITS = '[[apps]]\ntopic = "com.example.app"\n[rateLimit]\nregister = "100000/1h"\napi = "100000/1h"\n'

test('registrations while the database is killed: what was answered is stored, the rest got an error', async () => {
  const server = await startMariaDb({ durable: true })
  onTestFinished(() => server.stop())
  const api = await startApi(await server.database(), LIMITS)
  const phone = await api.holder('register')

  let answered = 0
  let killed: Promise<void> | undefined
  const register = async (number: number): Promise<Answer> => {
    const answer = await phone.put(`/v1/devices/${tokenOf(number)}`, { attributes: { number } })
    answered++
    if (answered === REGISTRATIONS / 5) killed = server.kill().then(() => server.restart())
    return answer
  }
  const answers = await Promise.all(Array.from({ length: REGISTRATIONS }, (_, number) => register(number)))
  await killed
  // it is back by itself
  await expect.poll(async () => (await phone.put(`/v1/devices/${tokenOf(REGISTRATIONS)}`, {})).status).toBe(201)

  const taken = answers.filter(({ status }) => status === 201).length
  expect(taken).toBeGreaterThanOrEqual(REGISTRATIONS / 5)
  expect(taken).toBeLessThan(REGISTRATIONS)
  for (const [number, answer] of answers.entries()) {
    const stored = await api.service.store.get('com.example.app', tokenOf(number))
    if (answer.status === 201) expect(stored?.attributes).toEqual({ number })
    else expect([answer.status, answer.body.type]).toEqual([503, '/problems/unavailable'])
    // a device is stored whole or not at all
    if (stored !== undefined) expect(stored.attributes).toEqual({ number })
  }
})
