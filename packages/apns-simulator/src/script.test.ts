import { expect, test } from 'vitest'

import { SimulatorError } from './errors.ts'
import { parseScript } from './script.ts'

const TOKEN = 'ab'.repeat(32)

test('a script that uses everything is taken as it is, its tokens as lowercase hex', () => {
  const script = {
    rules: [
      { when: { token: TOKEN }, times: 2, do: { status: 1 } },
      { when: { token: { startsWith: '0a' }, nth: 7, connection: 2 }, do: 'close' },
      {
        when: { every: 10, chance: 0.5 },
        do: { status: 8, identifier: 'unknown', delayMs: 200, split: [1, 5], garbage: 'ff', unread: true },
      },
      { when: { barrier: true }, do: { status: 2, identifier: 'zero', reset: true } },
      { when: {}, do: 'half-open' },
    ],
    connections: [
      { nth: 1, do: 'refuse' },
      { nth: { from: 2, to: 3 }, do: 'tls-alert' },
      { nth: { from: 4 }, do: 'read-slowly', bytesPerSecond: 10_000 },
    ],
    barriers: false,
    feedback: [{ at: 1_700_000_000, token: TOKEN }],
    feedbackCutAt: 20,
    provider: {
      rules: [
        { when: { token: TOKEN, nth: 1 }, times: 1, do: { status: 410, reason: 'Unregistered', timestamp: 1 } },
        { when: { every: 10 }, do: { status: 429, reason: 'TooManyRequests', retryAfter: 3, delayMs: 5 } },
        { when: { chance: 0.5 }, do: { status: 503, retryAfter: 'Wed, 21 Oct 2026 07:28:00 GMT' } },
        { when: { connection: 2 }, do: { goaway: 'before', reason: 'Shutdown' } },
        { when: { token: { startsWith: '0a' } }, do: { goaway: 'zero', text: 'bye', code: 7 } },
        { when: {}, do: { reset: 8 } },
        { when: {}, do: 'refuse-stream' },
        { when: {}, do: 'silent-connection' },
      ],
      connections: [{ nth: { from: 2 }, do: 'half-open' }],
      maxConcurrentStreams: 0,
    },
  }
  expect(parseScript(structuredClone(script))).toEqual(script)
  expect(parseScript({ rules: [{ when: { token: `<${TOKEN.toUpperCase()}>` }, do: 'stall' }] })).toEqual({
    rules: [{ when: { token: TOKEN }, do: 'stall' }],
  })
  expect(parseScript({})).toEqual({})
})

test.for<{ script: unknown; pointers: readonly string[] }>([
  { script: undefined, pointers: [''] },
  { script: [], pointers: [''] },
  { script: { rule: [] }, pointers: ['/rule'] },
  { script: { 'a/b~c': 1 }, pointers: ['/a~1b~0c'] },
  { script: { rules: {} }, pointers: ['/rules'] },
  { script: { rules: [{ when: {}, do: 'close' }, {}] }, pointers: ['/rules/1/when', '/rules/1/do'] },
  { script: { rules: [{ when: undefined, do: 'close' }] }, pointers: ['/rules/0/when'] },
  { script: { rules: [{ when: { token: 'xyz' }, do: 'close' }] }, pointers: ['/rules/0/when/token'] },
  { script: { rules: [{ when: { token: {} }, do: 'close' }] }, pointers: ['/rules/0/when/token/startsWith'] },
  {
    script: { rules: [{ when: { token: { startsWith: 'AB' } }, do: 'close' }] },
    pointers: ['/rules/0/when/token/startsWith'],
  },
  {
    script: { rules: [{ when: { nth: 0, every: 1.5, chance: 2, connection: '1', barrier: false }, do: 'close' }] },
    pointers: ['nth', 'every', 'chance', 'connection', 'barrier'].map((key) => `/rules/0/when/${key}`),
  },
  { script: { rules: [{ when: { barrier: true, token: TOKEN }, do: 'close' }] }, pointers: ['/rules/0/when/token'] },
  { script: { rules: [{ when: {}, times: -1, do: 'vanish' }] }, pointers: ['/rules/0/times', '/rules/0/do'] },
  { script: { rules: [{ when: {}, do: null }] }, pointers: ['/rules/0/do'] },
  {
    script: {
      rules: [{ when: {}, do: { status: 256, identifier: 'mine', delayMs: -1, split: [0], garbage: 'f', reset: 1 } }],
    },
    pointers: ['status', 'identifier', 'delayMs', 'split/0', 'garbage', 'reset'].map((key) => `/rules/0/do/${key}`),
  },
  { script: { rules: [{ when: {}, do: { status: 8, split: [3, 4] } }] }, pointers: ['/rules/0/do/split'] },
  { script: { rules: [{ when: {}, do: { status: 8, reset: true, unread: true } }] }, pointers: ['/rules/0/do/unread'] },
  { script: { connections: [{ do: 'refuse' }] }, pointers: ['/connections/0/nth'] },
  { script: { connections: [{ nth: { from: 3, to: 2 }, do: 'stall' }] }, pointers: ['/connections/0/nth/to'] },
  { script: { connections: [{ nth: 1, do: 'read-slowly' }] }, pointers: ['/connections/0/bytesPerSecond'] },
  {
    script: { connections: [{ nth: 1, do: 'stall', bytesPerSecond: 9 }] },
    pointers: ['/connections/0/bytesPerSecond'],
  },
  { script: { barriers: 'no' }, pointers: ['/barriers'] },
  {
    script: { feedback: [{ at: 2 ** 32, token: '' }, { at: 1 }] },
    pointers: ['/feedback/0/at', '/feedback/0/token', '/feedback/1/token'],
  },
  { script: { feedbackCutAt: null }, pointers: ['/feedbackCutAt'] },
  { script: { provider: [] }, pointers: ['/provider'] },
  { script: { provider: { maxConcurrentStreams: -1 } }, pointers: ['/provider/maxConcurrentStreams'] },
  {
    script: { provider: { connections: [{ nth: 0, do: 'stall' }] } },
    pointers: ['/provider/connections/0/nth', '/provider/connections/0/do'],
  },
  {
    script: { provider: { rules: [{ when: { barrier: true }, do: 'stall' }] } },
    pointers: ['/provider/rules/0/when/barrier', '/provider/rules/0/do'],
  },
  { script: { provider: { rules: [{ when: {}, do: {} }] } }, pointers: ['/provider/rules/0/do'] },
  { script: { provider: { rules: [{ when: {}, do: null }] } }, pointers: ['/provider/rules/0/do'] },
  { script: { provider: { rules: [{ when: {}, do: { reset: 0 } }] } }, pointers: ['/provider/rules/0/do/reset'] },
  {
    script: {
      provider: {
        rules: [{ when: {}, do: { status: 100, reason: 1, timestamp: -1, retryAfter: '\r\n', delayMs: 0.5 } }],
      },
    },
    pointers: ['status', 'reason', 'timestamp', 'retryAfter', 'delayMs'].map((key) => `/provider/rules/0/do/${key}`),
  },
  {
    script: { provider: { rules: [{ when: {}, do: { status: 410, timestamp: 1 } }] } },
    pointers: ['/provider/rules/0/do/timestamp'],
  },
  {
    script: { provider: { rules: [{ when: {}, do: { goaway: 'never', code: -1 } }] } },
    pointers: ['/provider/rules/0/do/goaway', '/provider/rules/0/do/code'],
  },
  {
    script: { provider: { rules: [{ when: {}, do: { goaway: 'this', reason: 'a', text: 'b' } }] } },
    pointers: ['/provider/rules/0/do/text'],
  },
])('$script is refused at $pointers', ({ script, pointers }) => {
  let thrown: unknown
  try {
    parseScript(script)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(SimulatorError)
  expect(thrown).toMatchObject({ code: 'invalid-script' })
  const { faults, message } = thrown as SimulatorError
  expect(faults.map(({ pointer }) => pointer)).toEqual(pointers)
  for (const { detail } of faults) expect(message).toContain(detail)
})
