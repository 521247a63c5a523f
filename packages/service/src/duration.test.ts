import { assert, nat, property } from 'fast-check'
import { expect, test } from 'vitest'

import { formatDuration, parseDuration } from './duration.ts'

test.for([
  ['500ms', 500],
  ['30s', 30_000],
  ['90s', 90_000],
  ['10m', 600_000],
  ['24h', 86_400_000],
  ['30d', 2_592_000_000],
  ['0s', 0],
  ['30', undefined],
  ['s', undefined],
  ['-1s', undefined],
  ['1.5h', undefined],
  ['1h30m', undefined],
  [' 1h', undefined],
  ['1 h', undefined],
  ['1H', undefined],
  ['1000000000000d', undefined],
  ['', undefined],
] as const)('%s is %s ms', ([text, ms]) => expect(parseDuration(text)).toBe(ms))

test('what is written is read back', () => {
  const law = property(nat(2_000_000_000), (ms) => {
    expect(parseDuration(formatDuration(ms))).toBe(ms)
  })
  expect(() => assert(law)).not.toThrow()
})
