import { ProtocolError } from '@lhspn/apns-protocol'
import { SimulatorError } from '@lhspn/apns-simulator'
import { DeviceStoreError } from '@lhspn/device-store'
import { DispatcherError } from '@lhspn/dispatcher'
import { SenderError } from '@lhspn/sender'
import { ServiceError } from '@lhspn/service'
import { expect, test } from 'vitest'

import { CommandError } from './errors.ts'
import { exitCodeOf, isKnown } from './exit-code.ts'
import { problemOf } from './problem.ts'

const foreign = Object.assign(new Error('no such file'), { code: 'ENOENT' })

/** An error of a package that this one does not depend on. */
function databaseError(code: string): Error {
  return Object.assign(new Error('m'), { name: 'DatabaseError', code, remedy: 'r' })
}

test.for<[error: unknown, exitCode: number, status: number]>([
  [new CommandError('invalid-input', 'm', 'r'), 2, 400],
  [new ProtocolError('invalid-device-token', 'm', 'r'), 2, 400],
  [new SimulatorError('cannot-listen', 'm', 'r'), 2, 400],
  [new ServiceError('unknown-app', 'm', 'r'), 4, 404],
  [new ServiceError('invalid-configuration', 'm', 'r'), 5, 422],
  [new SenderError('credentials-refused', 'm', 'r'), 5, 422],
  [new SenderError('unreachable', 'm', 'r'), 6, 503],
  [new DispatcherError('audience-too-large', 'm', 'r'), 2, 422],
  [new DeviceStoreError('invalid-filter', 'm', 'r'), 2, 400],
  [new CommandError('not-found', 'm', 'r'), 4, 404],
  [databaseError('access-denied'), 5, 422],
  [databaseError('schema-too-old'), 5, 422],
  [databaseError('busy'), 6, 503],
  [databaseError('constraint'), 1, 500],
  [new SenderError('closed', 'm', 'r'), 1, 500],
  [new TypeError('m'), 1, 500],
  [foreign, 1, 500],
  ['thrown text', 1, 500],
])('%s ends with %i', ([error, exitCode, status]) => {
  expect(exitCodeOf(error)).toBe(exitCode)
  expect(problemOf(error).status).toBe(status)
})

test('an error is ours by code and remedy, not by its class', () => {
  const copy = Object.assign(new Error('from another copy of the package'), { code: 'unreachable', remedy: 'r' })
  expect(isKnown(copy)).toBe(true)
  expect(exitCodeOf(copy)).toBe(6)
  expect(isKnown(foreign)).toBe(false)
})
