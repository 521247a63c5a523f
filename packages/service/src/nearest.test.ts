import { expect, test } from 'vitest'

import { didYouMean, nearest } from './nearest.ts'

const names = ['sender.connections', 'sender.connectionsPerSecond', 'sender.attempts', 'log.level']

test.for([
  ['sender.conections', 'sender.connections'],
  ['SENDER.CONNECTIONS', 'sender.connections'],
  ['connections', 'sender.connections'],
  ['log.levle', 'log.level'],
  ['log.atempts', 'sender.attempts'],
  ['sen', 'sender.connections'],
  ['se', undefined],
  ['database.url', undefined],
  ['x', undefined],
  ['', undefined],
] as const)('%s is nearest to %s', ([typed, name]) => expect(nearest(typed, names)).toBe(name))

test('asks only where it knows', () => {
  expect(didYouMean('senr', ['send'])).toBe('; did you mean send?')
  expect(didYouMean('quit', ['send'])).toBe('')
})
