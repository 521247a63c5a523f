import { array, assert, constantFrom, property } from 'fast-check'
import { expect, test } from 'vitest'

import { at, follow, isEnd, PAUSE_CAUSES, PUSH_STATES, type PushEvent, type Standing } from './push-state.ts'

const EVENTS: readonly PushEvent[] = [
  { kind: 'due' },
  { kind: 'start' },
  { kind: 'complete' },
  ...PAUSE_CAUSES.map((because) => ({ kind: 'pause' as const, because })),
  { kind: 'resume' },
  { kind: 'cancel' },
]
const paused = (pausedFrom: 'scheduled' | 'queued' | 'running'): Standing => ({
  state: 'paused',
  pausedBecause: 'operator',
  pausedFrom,
})
const STANDINGS: readonly Standing[] = [
  ...PUSH_STATES.filter((state) => state !== 'paused').map(at),
  paused('scheduled'),
  paused('queued'),
  paused('running'),
]

test.for([
  { from: 'scheduled', may: 'queued, paused, canceled' },
  { from: 'queued', may: 'running, paused, canceled' },
  { from: 'running', may: 'completed, paused, canceled' },
  { from: 'completed', may: '' },
  { from: 'canceled', may: '' },
] as const)('$from may become: $may', ({ from, may }) => {
  const next = new Set(EVENTS.map((event) => follow(at(from), event)?.state))
  expect([...next].filter((state) => state !== undefined && state !== from).join(', ')).toBe(may)
})

test.for(['scheduled', 'queued', 'running'] as const)('paused may become what it was, %s, or canceled', (was) => {
  const next = EVENTS.map((event) => follow(paused(was), event)).filter((standing) => standing?.state !== 'paused')
  expect(next.filter((standing) => standing !== undefined)).toEqual([at(was), at('canceled')])
})

test('a second pause keeps the cause of the first', () => {
  const standing = paused('running')
  expect(follow(standing, { kind: 'pause', because: 'fault' })).toBe(standing)
})

test.for([
  { again: 'resuming what runs', standing: at('running'), event: { kind: 'resume' } },
  { again: 'resuming what is queued', standing: at('queued'), event: { kind: 'resume' } },
  { again: 'canceling what is canceled', standing: at('canceled'), event: { kind: 'cancel' } },
] as const)('$again changes nothing', ({ standing, event }) => expect(follow(standing, event)).toBe(standing))

test('every state but the ends has a way on to completed and to canceled', () => {
  for (const standing of STANDINGS.filter(({ state }) => !isEnd(state))) {
    const reached = new Set<string>()
    const open = [standing]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const key = JSON.stringify(next)
      if (reached.has(key)) continue
      reached.add(key)
      for (const event of EVENTS) {
        const after = follow(next, event)
        if (after !== undefined) open.push(after)
      }
    }
    expect([...reached]).toContain(JSON.stringify(at('completed')))
    expect([...reached]).toContain(JSON.stringify(at('canceled')))
  }
})

test('no order of events leaves an end, forgets what a pause interrupted, or names a cause that is none', () => {
  assert(
    property(constantFrom(...STANDINGS), array(constantFrom(...EVENTS)), (start, events) => {
      let standing = start
      for (const event of events) {
        const next = follow(standing, event)
        if (next === undefined) continue
        if (isEnd(standing.state)) expect(next).toBe(standing)
        if (next.state === 'paused' && next !== standing) expect(next.pausedFrom).toBe(standing.state)
        if (standing.state === 'paused' && next.state !== 'paused' && next.state !== 'canceled')
          expect(next.state).toBe(standing.pausedFrom)
        expect(next.state === 'paused').toBe(next.pausedBecause !== null)
        standing = next
      }
    }),
  )
})
