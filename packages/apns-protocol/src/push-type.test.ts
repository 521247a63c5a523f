import { expect, test } from 'vitest'

import { isPushType, PUSH_TYPES, topicOf } from './push-type.ts'

test('the topic is the bundle id and what the push type puts behind it', () => {
  const types = Object.keys(PUSH_TYPES).filter(isPushType)
  expect(types.map((type) => `${type} ${topicOf('com.example.app', type)}`)).toEqual([
    'alert com.example.app',
    'background com.example.app',
    'voip com.example.app.voip',
    'complication com.example.app.complication',
    'fileprovider com.example.app.pushkit.fileprovider',
    'mdm com.example.app',
    'location com.example.app.location-query',
    'liveactivity com.example.app.push-type.liveactivity',
    'pushtotalk com.example.app.voip-ptt',
    'widgets com.example.app.push-type.widgets',
    'controls com.example.app.push-type.controls',
  ])
})

test('no name that every object has is a push type', () => {
  for (const value of ['toString', '__proto__', '', undefined, 10]) expect(isPushType(value)).toBe(false)
})
