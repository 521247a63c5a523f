import { pino } from 'pino'
import { expect, test } from 'vitest'

import { parseConfig } from './config.ts'
import { FeedbackSchedule } from './feedback-schedule.ts'

const log = pino({ enabled: false })
const text = `
[[apps]]
topic = "a.b"
feedback = "127.0.0.1:1"
sandboxFeedback = "127.0.0.1:1"
[[apps]]
topic = "c.d"
gateway = "127.0.0.1:1"
[[apps]]
topic = "e.f"
sandboxFeedback = "127.0.0.1:1"`
const { apps } = parseConfig({ text })
const NOTHING = { read: 0, removed: 0, kept: 0 }

test('every feedback service is read, one after another, and again after a while; a failure holds up none', async () => {
  const reads: string[] = []
  const schedule = new FeedbackSchedule({
    apps: () => apps,
    everyMs: 1,
    read: async ({ topic }, environment) => {
      reads.push(`${topic} ${environment}`)
      if (environment === 'production') throw new Error('away')
      return NOTHING
    },
    log,
  })
  schedule.start()
  await expect.poll(() => reads.length).toBeGreaterThanOrEqual(6)
  await schedule.close()
  const round = ['a.b production', 'a.b sandbox', 'e.f sandbox']
  expect(reads.slice(0, 6)).toEqual([...round, ...round])
})

test('closing breaks off what is being read, waits for it, and nothing begins again', async () => {
  let ended = 0
  const schedule = new FeedbackSchedule({
    apps: () => apps,
    everyMs: 1,
    read: (_, __, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          ended++
          reject(new Error('aborted'))
        })
      }),
    log,
  })
  schedule.start()
  await schedule.close()
  expect(ended).toBe(1)
  schedule.start()
  await schedule.close()
  expect(ended).toBe(1)
})

test('without feedback services there is nothing to do', async () => {
  const schedule = new FeedbackSchedule({ apps: () => [], everyMs: 1, read: async () => NOTHING, log })
  schedule.start()
  await schedule.close()
})
