import type { DispatcherEvent } from '@lhspn/dispatcher'
import { expect, test } from 'vitest'

import { logDispatcher } from './dispatcher-log.ts'
import { createLogger } from './logger.ts'

const PUSH = { push: 'psh_1', app: 'com.example.app', environment: 'sandbox' } as const
const TOKEN = 'c0ffee00'.repeat(8)

test.for<[event: DispatcherEvent, line: Readonly<Record<string, unknown>>]>([
  [
    { kind: 'chunk', end: 'released', seq: 3, size: 10, settled: 4, ms: 12.6, ...PUSH },
    { level: 'info', msg: 'chunk: released', end: 'released', seq: 3, size: 10, settled: 4, ms: 13, ...PUSH },
  ],
  [
    { kind: 'not-accepted', id: 'id', token: TOKEN, outcome: 'rejected', reason: 'BadDeviceToken', ...PUSH },
    {
      level: 'warn',
      msg: 'notification: not accepted',
      notification: 'id',
      token: 'c0ffee…ee00',
      outcome: 'rejected',
      reason: 'BadDeviceToken',
      ...PUSH,
    },
  ],
  [
    { kind: 'more-not-accepted', count: 900, ...PUSH },
    { level: 'warn', msg: 'notification: more were not accepted', count: 900, ...PUSH },
  ],
  [
    { kind: 'removed', tokens: [TOKEN, TOKEN], ...PUSH },
    { level: 'info', msg: 'devices: removed', count: 2, ...PUSH },
  ],
  [
    { kind: 'paused', because: 'operator', ...PUSH },
    { level: 'warn', msg: 'push: paused', because: 'operator', ...PUSH },
  ],
  [
    { kind: 'paused', because: 'content', reason: 'PayloadTooLarge', ...PUSH },
    { level: 'warn', msg: 'push: paused', because: 'content', reason: 'PayloadTooLarge', ...PUSH },
  ],
  [
    { kind: 'paused', because: 'credentials', error: new Error('refused'), ...PUSH },
    { level: 'warn', msg: 'push: paused', because: 'credentials', err: expect.anything(), ...PUSH },
  ],
  [
    { kind: 'completed', ...PUSH },
    { level: 'info', msg: 'push: completed', ...PUSH },
  ],
  [
    { kind: 'held', app: 'a.b', environment: 'production', ms: 4999.6, error: new Error('away') },
    {
      level: 'warn',
      msg: 'nothing was reached: tried again in a while',
      app: 'a.b',
      environment: 'production',
      ms: 5000,
      err: expect.anything(),
    },
  ],
  [
    { kind: 'error', what: 'checkpoint', error: new Error('away') },
    { level: 'error', msg: 'dispatcher: checkpoint failed, and is tried again', err: expect.anything() },
  ],
])('%j', ([event, line]) => {
  const lines: string[] = []
  const stream = { write: (text: string) => void lines.push(text) }
  logDispatcher(createLogger({ level: 'debug', format: 'json', isTerminal: false, stream }), event)
  const { time, ...logged } = JSON.parse(lines[0] as string) as Record<string, unknown>
  expect(logged).toEqual(line)
  expect([lines.length, time, lines.join('').includes(TOKEN)]).toEqual([1, expect.any(String), false])
})
