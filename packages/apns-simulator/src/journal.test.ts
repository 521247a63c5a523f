import type { Command } from '@lhspn/apns-protocol'
import { expect, test } from 'vitest'

import { WritableJournal, type JournalMode } from './journal.ts'

function journalOf(mode: JournalMode): WritableJournal {
  const journal = new WritableJournal(mode)
  const bytes = Uint8Array.of(1, 2, 3)
  const frame = (token: string): Command => ({
    command: 2,
    token,
    payload: bytes.subarray(1),
    bytes,
    identifier: 5,
    expiration: undefined,
    priority: undefined,
    fault: undefined,
  })
  journal.add(1, frame('aa'), 'accepted')
  journal.add(1, frame('bb'), 'rejected')
  journal.add(2, frame('aa'), 'accepted')
  journal.answered(8)
  bytes.fill(0)
  return journal
}

test.for(['full', 'counts'] as const)('%s: it counts by verdict, token and status', (mode) => {
  const journal = journalOf(mode)
  expect(journal.accepted).toBe(2)
  expect([journal.acceptedTimes('aa'), journal.acceptedTimes('bb')]).toEqual([2, 0])
  expect([...journal.acceptedTokens()]).toEqual(['aa'])
  expect(journal.counts()).toEqual({ accepted: 2, rejected: 1, discarded: 0, barrier: 0 })
  expect(journal.answers()).toEqual(new Map([[8, 1]]))
})

test('full: entries keep their own copy of the bytes', () => {
  expect(journalOf('full').entries()[1]).toEqual({
    connection: 1,
    command: 2,
    identifier: 5,
    token: 'bb',
    payload: Uint8Array.of(2, 3),
    bytes: Uint8Array.of(1, 2, 3),
    verdict: 'rejected',
  })
})

test('counts: there are no entries to ask for', () => {
  expect(() => journalOf('counts').entries()).toThrow(expect.objectContaining({ code: 'entries-not-kept' }))
})

test('requests are counted beside frames, refusals by reason; violations are kept up to a thousand', () => {
  const journal = journalOf('full')
  const entry = { connection: 1, stream: 1, token: 'aa', headers: {}, payload: new Uint8Array(0), status: 200, id: 'x' }
  journal.addRequest('aa', 'accepted', () => ({ ...entry, verdict: 'accepted', reason: undefined }))
  journal.refused('Unregistered')
  journal.refused('Unregistered')
  for (let stream = 1; stream <= 1001; stream++) {
    journal.violated({ connection: 1, stream, rule: 'BadTopic', detail: 'x' })
  }
  expect([journal.accepted, journal.acceptedTimes('aa'), journal.counts().accepted]).toEqual([3, 3, 3])
  expect([journal.entries().length, journal.requests().length]).toEqual([3, 1])
  expect(journal.refusals()).toEqual(new Map([['Unregistered', 2]]))
  expect([journal.violations().length, journal.violations().at(-1)?.stream]).toEqual([1000, 1000])
})

test('waiting ends with the fact, the signal, the end of the simulator, or what the predicate throws', async () => {
  const journal = journalOf('counts')
  await journal.waitFor(({ accepted }) => accepted === 2)
  const fact = journal.waitFor(({ connections }) => connections === 1)
  journal.connections++
  journal.changed()
  await fact
  const aborting = new AbortController()
  const aborted = journal.waitFor(() => false, aborting.signal)
  aborting.abort(new Error('enough'))
  await expect(aborted).rejects.toThrow('enough')
  let asked = 0
  const failed = journal.waitFor(() => {
    if (asked++ > 0) throw new Error('wrong')
    return false
  })
  journal.changed()
  await expect(failed).rejects.toThrow('wrong')
  const ended = journal.waitFor(() => false)
  journal.close()
  await expect(ended).rejects.toMatchObject({ code: 'closed' })
  await expect(journal.waitFor(() => false)).rejects.toMatchObject({ code: 'closed' })
  await journal.waitFor(() => true)
})
