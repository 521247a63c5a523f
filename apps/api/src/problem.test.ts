import { DeviceStoreError } from '@lhspn/device-store'
import { ServiceError } from '@lhspn/service'
import { expect, test } from 'vitest'

import { ApiError, kindOf, problemOf, refuseFaults } from './problem.ts'

test('an error of another package is told by its code, with its faults and its remedy', () => {
  const faults = [{ pointer: '/badge', detail: 'Must be a whole number.' }]
  const error = new DeviceStoreError('invalid-registration', 'The registration is not valid', 'Correct it.', faults)
  expect(problemOf(error, 'req_1', '/push')).toEqual({
    type: '/push/problems/invalid-request',
    title: 'The request is not valid',
    status: 400,
    instance: 'req_1',
    detail: 'The registration is not valid',
    remedy: 'Correct it.',
    errors: faults,
  })
  expect(kindOf(new ServiceError('app-not-configured', 'x', 'y'))).toBe('app-not-configured')
})

test.for([
  ['what nobody foresaw', new TypeError('x is not a function')],
  ['what is no error', 'hush'],
  ['a code that is not ours', Object.assign(new Error('hush'), { code: 'EPERM', remedy: 'hush' })],
  ['a fault inside', Object.assign(new Error('hush'), { code: 'failed', remedy: 'hush' })],
] as const)('%s is internal, and its words stay here', ([, error]) => {
  const problem = problemOf(error, 'req_1', '')
  expect([problem.type, problem.status]).toEqual(['/problems/internal', 500])
  expect(JSON.stringify(problem)).not.toContain('hush')
})

test('a database that is away is 503, and says to come again', () => {
  const error = Object.assign(new Error('root@db.internal refused'), { code: 'unreachable', remedy: 'hush' })
  const problem = problemOf(error, 'req_1', '')
  expect(problem).toMatchObject({
    type: '/problems/unavailable',
    status: 503,
    remedy: expect.stringContaining('again'),
  })
  expect(JSON.stringify(problem)).not.toMatch(/db\.internal|hush/)
})

test('faults are refused all at once, and none is no reason', () => {
  expect(() => refuseFaults([])).not.toThrow()
  const faults = [{ pointer: '/a', detail: 'x' }]
  expect(() => refuseFaults(faults)).toThrow(
    expect.objectContaining({ message: '1 field was refused; nothing was stored.', errors: faults }),
  )
})

test('a tombstone is told with its time', () => {
  const at = new Date(1_700_000_000_000)
  const error = new ApiError('device-removed', 'Gone.', { tombstone: { at, cause: 'feedback', push: null } })
  expect(problemOf(error, 'req_1', '').tombstone).toEqual({
    at: '2023-11-14T22:13:20.000Z',
    cause: 'feedback',
    push: null,
  })
})
