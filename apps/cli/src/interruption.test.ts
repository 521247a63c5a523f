import { EventEmitter } from 'node:events'

import { expect, test } from 'vitest'

import { Interruption, type SignalSource } from './interruption.ts'

class FakeProcess extends EventEmitter implements SignalSource {
  exit(code: number): never {
    throw new Error(`exit ${code}`)
  }
}

test.for([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('the first %s aborts, a second one ends at once with %i', async ([name, code]) => {
  const source = new FakeProcess()
  const interruption = new Interruption(source)
  expect([interruption.signal.aborted, interruption.exitCode]).toEqual([false, undefined])
  const ended = interruption.ended()
  source.emit(name, name)
  await ended
  await interruption.ended()
  expect([interruption.signal.aborted, interruption.exitCode]).toEqual([true, code])
  expect(() => source.emit(name, name)).toThrow(`exit ${code}`)
})

test('SIGHUP does what was asked for, and neither aborts nor ends', () => {
  const source = new FakeProcess()
  const interruption = new Interruption(source)
  let times = 0
  interruption.onHangup(() => times++)
  source.emit('SIGHUP', 'SIGHUP')
  source.emit('SIGHUP', 'SIGHUP')
  expect([times, interruption.signal.aborted, interruption.exitCode]).toEqual([2, false, undefined])
})
