import { ERROR_STATUSES, PROVIDER_REASONS } from '@lhspn/apns-protocol'
import { UNWRITTEN_REASONS } from '@lhspn/dispatcher'
import { OWN_REASONS } from '@lhspn/sender'
import { expect, test } from 'vitest'

import { explanationsOf } from './reasons.ts'

const NAMES = [
  ...Object.values(ERROR_STATUSES).map(({ name }) => name),
  ...Object.keys(PROVIDER_REASONS),
  ...Object.keys(OWN_REASONS),
  ...Object.keys(UNWRITTEN_REASONS),
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
