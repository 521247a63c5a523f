import { ERROR_STATUSES, PROVIDER_REASONS } from '@lhspn/apns-protocol'
import { OWN_REASONS } from '@lhspn/sender'
import { expect, test } from 'vitest'

import { explanationsOf, remedyOf } from './explanation.ts'

const NAMES = [
  ...Object.values(ERROR_STATUSES).map(({ name }) => name),
  ...Object.keys(PROVIDER_REASONS),
  ...Object.keys(OWN_REASONS),
]

test.for(NAMES)('%s is explained, with what to do', (name) => {
  for (const spelling of [name, name.toUpperCase()]) {
    const explanations = explanationsOf(spelling)
    expect(explanations).toHaveLength(NAMES.filter((each) => each === name).length)
    for (const each of explanations) {
      expect(each.reason).toBe(name)
      expect(each.meaning).toMatch(/\.$/)
      expect(each.remedy).toMatch(/\.$/)
    }
  }
})

test('an unknown name is refused with the nearest one', () => {
  expect(() => explanationsOf('BadDevceToken')).toThrow('did you mean BadDeviceToken?')
  expect(() => explanationsOf('9')).toThrow('There is no gateway status 9')
})

test('the status tells which interface is meant by a name that both have', () => {
  expect(remedyOf('Shutdown', 10)).toBe(ERROR_STATUSES[10].remedy)
  expect(remedyOf('Shutdown', 503)).toBe(PROVIDER_REASONS.Shutdown.remedy)
  expect(remedyOf('Unregistered', 410)).toBe(PROVIDER_REASONS.Unregistered.remedy)
  expect(remedyOf('Expired', undefined)).toBe(OWN_REASONS.Expired.remedy)
  expect(remedyOf('InvalidToken', undefined)).toBe(ERROR_STATUSES[8].remedy)
  expect(remedyOf('NobodyKnowsThisOne', 400)).toBeUndefined()
  expect(remedyOf(undefined, undefined)).toBeUndefined()
})
