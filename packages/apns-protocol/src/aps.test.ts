import { expect, test } from 'vitest'

import { START, told, UPDATE } from '../test/content-check.ts'
import { checkContent } from './content.ts'
import { PUSH_TYPES } from './push-type.ts'

test('every documented key of an alert at once', () => {
  const alert = {
    title: 'a',
    subtitle: 'b',
    body: 'c',
    'title-loc-key': null,
    'subtitle-loc-key': 'd',
    'subtitle-loc-args': ['e'],
    'loc-key': 'f',
    'loc-args': ['g'],
    'launch-image': 'h',
    'action-loc-key': null,
    'summary-arg': 'i',
    'summary-arg-count': 2,
  }
  const aps = {
    alert,
    badge: 0,
    sound: { critical: 1, name: 'default', volume: 0.5 },
    'thread-id': 't',
    category: 'c',
    'content-available': 1,
    'mutable-content': 1,
    'target-content-id': 'w',
    'interruption-level': 'time-sensitive',
    'relevance-score': 1,
    'filter-criteria': 'f',
    'url-args': ['u'],
  }
  expect(told({ payload: { aps, link: '/a', nested: [{ deep: null }] } })).toEqual([])
})

test.for<[string, unknown, string[]]>([
  ['alert', 7, ['E invalid /payload/aps/alert']],
  [
    'alert',
    { title: 1, 'loc-args': [1], new: 1 },
    [
      'E invalid /payload/aps/alert/title',
      'E invalid /payload/aps/alert/loc-args',
      'W /payload/aps/alert/new',
      'W /payload/aps/alert/loc-args',
    ],
  ],
  ['alert', {}, ['W /payload/aps/alert']],
  ['alert', { body: { 'loc-key': 'a' } }, ['E invalid /payload/aps/alert/body']],
  [
    'alert',
    JSON.parse('{"title":"a","__proto__":"b","constructor":1}'),
    ['W /payload/aps/alert/__proto__', 'W /payload/aps/alert/constructor'],
  ],
  ['badge', -1, ['E invalid /payload/aps/badge']],
  ['badge', '1', ['E invalid /payload/aps/badge']],
  ['badge', 1.5, ['E invalid /payload/aps/badge']],
  ['badge', 2 ** 31, ['E invalid /payload/aps/badge']],
  ['sound', true, ['E invalid /payload/aps/sound']],
  ['sound', { critical: 1 }, ['E invalid /payload/aps/sound']],
  ['sound', { name: 'a', critical: true }, ['E invalid /payload/aps/sound']],
  ['sound', { name: 'a', volume: 1.1 }, ['E invalid /payload/aps/sound']],
  ['thread-id', 1, ['E invalid /payload/aps/thread-id']],
  ['category', null, ['E invalid /payload/aps/category']],
  ['content-available', true, ['E invalid /payload/aps/content-available']],
  ['mutable-content', 0, ['E invalid /payload/aps/mutable-content']],
  ['interruption-level', 'loud', ['E invalid /payload/aps/interruption-level']],
  ['relevance-score', 2, ['E invalid /payload/aps/relevance-score']],
  ['url-args', ['a', 1], ['E invalid /payload/aps/url-args']],
  ['event', 'start', ['W /payload/aps/event']],
  ['Badge', 1, ['W /payload/aps/Badge']],
  ['a/b~c', 1, ['W /payload/aps/a~1b~0c']],
  ['toString', 1, ['W /payload/aps/toString']],
])('aps key %s with %j', ([key, value, expected]) => {
  expect(told({ payload: { aps: { sound: 'a', alert: 'b', [key]: value } } })).toEqual(expected)
})

test.for<{ rule: string; aps: unknown; expected: string[] }>([
  {
    rule: 'that starts needs what it is made of',
    aps: { ...UPDATE, event: 'start' },
    expected: ['E invalid /payload/aps/attributes-type', 'E invalid /payload/aps/attributes', 'W /payload/aps/alert'],
  },
  {
    rule: 'that ends should have a state',
    aps: { timestamp: 1_700_000_000, event: 'end' },
    expected: ['W /payload/aps/content-state'],
  },
  {
    rule: 'is timed in seconds, and as relevant as it likes',
    aps: { ...UPDATE, timestamp: 1_700_000_000_000, 'relevance-score': 75 },
    expected: ['W /payload/aps/timestamp'],
  },
  {
    rule: 'may have texts to translate',
    aps: { ...START, alert: { title: { 'loc-key': 'a', 'loc-args': ['b'] }, body: { 'loc-key': 1 }, sound: 'c' } },
    expected: ['E invalid /payload/aps/alert/body'],
  },
  {
    rule: 'has no use for keys of another event',
    aps: { ...START, event: 'update', 'dismissal-date': 1_700_000_000, 'input-push-token': 1 },
    expected: [
      'W /payload/aps/attributes-type',
      'W /payload/aps/attributes',
      'W /payload/aps/dismissal-date',
      'W /payload/aps/input-push-token',
    ],
  },
  { rule: 'may be dismissed at once', aps: { ...UPDATE, event: 'end', 'dismissal-date': 0 }, expected: [] },
  { rule: 'may listen on a channel', aps: { ...START, 'input-push-channel': 'dHN0LXNyY2gtY2hubA==' }, expected: [] },
  {
    rule: 'may not listen on what is none',
    aps: { ...START, 'input-push-channel': 'my channel' },
    expected: ['E invalid /payload/aps/input-push-channel'],
  },
])('a Live Activity $rule', ({ aps, expected }) => {
  expect(told({ pushType: 'liveactivity', payload: { aps } })).toEqual(expected)
})

const TYPES = Object.keys(PUSH_TYPES)

/** Every key of Apple's with a value that is right, and the push types in which it does something. */
const KEYS: readonly [key: string, value: unknown, types: string][] = [
  ['alert', 'a', 'alert liveactivity'],
  ['badge', 1, 'alert'],
  ['sound', 'a', 'alert'],
  ['thread-id', 'a', 'alert'],
  ['category', 'a', 'alert'],
  ['content-available', 1, 'alert background'],
  ['mutable-content', 1, 'alert'],
  ['target-content-id', 'a', 'alert'],
  ['interruption-level', 'passive', 'alert'],
  ['relevance-score', 0.5, 'alert liveactivity'],
  ['filter-criteria', 'a', 'alert'],
  ['content-changed', true, 'widgets controls'],
  ['timestamp', 1, 'liveactivity'],
  ['event', 'start', 'liveactivity'],
  ['content-state', {}, 'liveactivity'],
  ['stale-date', 1, 'liveactivity'],
  ['dismissal-date', 1, 'liveactivity'],
  ['attributes-type', 'a', 'liveactivity'],
  ['attributes', {}, 'liveactivity'],
  ['input-push-token', 1, 'liveactivity'],
  ['input-push-channel', 'YQ==', 'liveactivity'],
  ['url-args', ['a'], 'alert'],
]

test.for(KEYS)('%s is doubted, or refused, in every push type but its own', ([key, value, types]) => {
  const isDoubted = (pushType: string): boolean => {
    const { errors, warnings } = checkContent({ pushType, payload: { aps: { [key]: value } } }, 'provider-api')
    return [...errors, ...warnings].some(({ pointer }) => pointer === `/payload/aps/${key}`)
  }
  expect(TYPES.filter((type) => !isDoubted(type)).join(' ')).toBe(types)
})

test('a value of a wrong kind is refused in every push type, whatever the key', () => {
  for (const [key] of KEYS)
    for (const pushType of TYPES)
      expect(told({ pushType, payload: { aps: { [key]: null } } })).toContain(`E invalid /payload/aps/${key}`)
})
