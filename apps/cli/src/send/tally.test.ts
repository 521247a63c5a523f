import { expect, test } from 'vitest'

import { alignColumns } from '../output.ts'
import { Tally } from './tally.ts'

test('counts outcomes and reasons; people see a row for each outcome, the most frequent reason first', () => {
  const tally = new Tally()
  tally.add(Array.from({ length: 1234 }, () => ({ kind: 'accepted' as const })))
  tally.add([
    { kind: 'rejected', reason: 'Expired' },
    { kind: 'rejected', reason: 'InvalidToken' },
    { kind: 'rejected', reason: 'InvalidToken' },
  ])
  expect(tally.settled).toBe(1237)
  expect(tally.counts).toEqual({ accepted: 1234, rejected: 3, unregistered: 0, unconfirmed: 0, unsent: 0 })
  expect(tally.allReasons).toEqual({ Expired: 1, InvalidToken: 2 })
  expect(alignColumns(tally.rows())).toEqual([
    '  accepted      1,234',
    '  rejected          3  InvalidToken 2  lhspn explain InvalidToken',
    '                       Expired 1       lhspn explain Expired',
    '  unregistered      0',
    '  unconfirmed       0',
    '  unsent            0',
  ])
})
