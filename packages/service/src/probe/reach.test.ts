import { expect, test, vi } from 'vitest'

import { reach } from './reach.ts'

const TO = { host: 'push.internal', port: 443 }

// a name server that does not answer
vi.mock('node:dns/promises', () => ({ lookup: () => new Promise(() => undefined) }))

test('a name server has no longer to answer than a server', async () => {
  expect(await reach({ ...TO, timeoutMs: 10 })).toEqual({
    kind: 'unknown-host',
    detail: 'DNS did not answer for push.internal within 0.01 s',
  })
})

test('whoever asks no longer waits for no name server', async () => {
  const leaving = new AbortController()
  const reaching = reach({ ...TO, timeoutMs: 60_000, signal: leaving.signal })
  leaving.abort(new Error('enough'))
  await expect(reaching).rejects.toThrow('enough')
  await expect(reach({ ...TO, timeoutMs: 60_000, signal: leaving.signal })).rejects.toThrow('enough')
})
