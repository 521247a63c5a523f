import { type Interface, isPushType, PUSH_TYPES, type PushType } from '@lhspn/apns-protocol'
import { expect, test } from 'vitest'

import { placeOf } from '../errors.ts'
import { type ContentFlags, readContent } from './content-flags.ts'

const now = Date.UTC(2030, 0, 1)
const inADay = now / 1000 + 86_400

function faultsOf(flags: ContentFlags, text?: string, payload?: string, over: Interface = 'gateway'): string[] {
  return readContent(text, flags, payload, now, over).faults.map((fault) => placeOf(fault) + fault.detail)
}

test.for<[name: string, text: string | undefined, flags: ContentFlags, content: object]>([
  ['a text alone is the alert', 'Hello', {}, { payload: { aps: { alert: 'Hello' } }, expiration: inADay }],
  [
    'with a title it is the body',
    'Hello',
    { title: 'T' },
    { payload: { aps: { alert: { title: 'T', body: 'Hello' } } }, expiration: inADay },
  ],
  ['a badge alone', undefined, { badge: '0' }, { payload: { aps: { badge: 0 } }, expiration: inADay }],
  [
    'background',
    undefined,
    { background: true, data: ['id=7'] },
    { payload: { aps: { 'content-available': 1 }, id: '7' }, pushType: 'background', expiration: inADay },
  ],
  [
    'data as text and as JSON',
    'Hello',
    { data: ['a=b=c', 'list:=[1,{"x":null}]', '__proto__=p'] },
    JSON.parse(
      `{"payload":{"aps":{"alert":"Hello"},"a":"b=c","list":[1,{"x":null}],"__proto__":"p"},"expiration":${inADay}}`,
    ),
  ],
  ['now or never', 'Hello', { expiration: '0' }, { payload: { aps: { alert: 'Hello' } }, expiration: 0 }],
  [
    'a time',
    'Hello',
    { expiration: '2030-01-02T01:00:00+01:00' },
    { payload: { aps: { alert: 'Hello' } }, expiration: inADay },
  ],
  [
    'type and priority',
    'Hello',
    { type: 'alert', priority: '5' },
    { payload: { aps: { alert: 'Hello' } }, pushType: 'alert', priority: 5, expiration: inADay },
  ],
  [
    'a collapse id, and priority 1',
    'Hello',
    { priority: '1', collapseId: 'sale-31' },
    { payload: { aps: { alert: 'Hello' } }, priority: 1, expiration: inADay, collapseId: 'sale-31' },
  ],
  [
    'data alone, in a type that shows nothing by itself',
    undefined,
    { type: 'voip', data: ['call=7'], expiration: '0' },
    { payload: { call: '7' }, pushType: 'voip', expiration: 0 },
  ],
])('%s', ([, text, flags, content]) => {
  const read = readContent(text, flags, undefined, now, 'provider-api')
  expect(read.faults).toEqual([])
  expect(JSON.stringify(read.content)).toBe(JSON.stringify(content))
})

test('a whole payload stays as it is', () => {
  const payload = { aps: { alert: { 'loc-key': 'K' } }, own: [1] }
  expect(readContent(undefined, {}, JSON.stringify(payload), now, 'provider-api').content?.payload).toEqual(payload)
})

test.for<[flags: ContentFlags, fault: string | RegExp]>([
  [{ badge: '1.5' }, '--badge: must be a whole number from 0 to 2147483647, or increment, not "1.5"'],
  [{ badge: '99999999999' }, '--badge: must be a whole number from 0 to 2147483647, or increment, not "99999999999"'],
  [{ data: ['novalue'] }, '--data: must be KEY=VALUE or KEY:=JSON, not "novalue"'],
  [{ data: ['=x'] }, '--data: must be KEY=VALUE or KEY:=JSON, not "=x"'],
  [{ data: ['aps=x'] }, /^--data: cannot be aps/],
  [{ data: ['a=1', 'a=2'] }, '--data: gives a twice'],
  [{ data: ['a:={'] }, /^--data: a is no valid JSON: /],
  [{ type: 'bakground' }, /^--type: must be one of alert, .*; did you mean background\?$/],
  [{ type: 'alert', background: true }, '--type: must be background beside --background, not alert'],
  [{ type: 'voip' }, /^--type: /],
  [{ priority: '2' }, '--priority: must be 10, 5 or 1, not "2"'],
  [{ priority: '1' }, /^--priority: .* the gateway /],
  [{ collapseId: 'sale' }, /^--collapse-id: .* the gateway /],
  [{ expiration: 'soon' }, /^--expiration: must be a duration such as 24h, 0, or a time/],
  [{ expiration: '2030-13-01T00:00:00Z' }, /^--expiration: must be/],
  [{ expiration: '2029-12-31T23:59:59Z' }, '--expiration: 2029-12-31T23:59:59Z is over; give 0 for "now or never"'],
  [{ expiration: '0s' }, '--expiration: 0s is over; give 0 for "now or never"'],
  [{ expiration: '2107-01-01T00:00:00Z' }, /^--expiration: .* beyond 2106/],
  [{ data: [`long=${'x'.repeat(2100)}`] }, /2048/],
])('%j is refused', ([flags, fault]) => {
  const faults = faultsOf(flags, 'Hello')
  expect(faults).toHaveLength(1)
  expect(faults[0]).toMatch(fault)
})

test('nothing to send is refused', () => {
  for (const flags of [{}, { data: ['a=1'] }, { type: 'alert', data: ['a=1'] }, { type: 'voip' }]) {
    expect(faultsOf(flags, undefined, undefined, 'provider-api')).toEqual([
      expect.stringMatching(/^TEXT: nothing to send/),
    ])
  }
})

test.for<[flags: ContentFlags, text: string | undefined, payload: string | undefined, fault: RegExp]>([
  [{ collapseId: 'x'.repeat(65) }, 'Hello', undefined, /^--collapse-id: .* 64 bytes/],
  [{ priority: '10', background: true }, undefined, undefined, /^--priority: Must be 5/],
  [{ data: [`long=${'x'.repeat(4096)}`] }, 'Hello', undefined, /4096/],
  [{ type: 'liveactivity' }, undefined, '{"aps":{"event":"update"}}', /^--payload \/aps\/timestamp: /],
])('%j is refused for the provider API', ([flags, text, payload, fault]) => {
  const faults = faultsOf(flags, text, payload, 'provider-api')
  expect(faults.filter((each) => fault.test(each))).toHaveLength(1)
})

test.for(Object.keys(PUSH_TYPES).filter(isPushType))('the provider API carries type %s', (type) => {
  const payloads: Partial<Record<PushType, string>> = {
    alert: '{"aps":{"alert":"Hello"}}',
    background: '{"aps":{"content-available":1}}',
    liveactivity: '{"aps":{"event":"update","timestamp":1700000000,"content-state":{}}}',
    widgets: '{"aps":{"content-changed":true}}',
    controls: '{"aps":{"content-changed":true}}',
  }
  const read = readContent(undefined, { type }, payloads[type] ?? '{"own":1}', now, 'provider-api')
  expect(read).toMatchObject({ content: { pushType: type }, faults: [] })
  const faults = faultsOf({ type }, undefined, payloads[type] ?? '{"own":1}')
  expect(faults.some((fault) => fault.startsWith('--type: '))).toBe(!PUSH_TYPES[type].gateway)
})

test('beside a whole payload no flag may say what is shown', () => {
  expect(faultsOf({ title: 'T', data: ['a=1'] }, 'Hello', '{"aps":{"alert":"x"}}')).toEqual([
    'TEXT: cannot stand beside --payload, which brings everything',
    '--title: cannot stand beside --payload, which brings everything',
    '--data: cannot stand beside --payload, which brings everything',
  ])
})

test('faults of a payload are named by their JSON pointer in the file', () => {
  expect(faultsOf({}, undefined, '{"aps":{"badge":-1}}')).toEqual([expect.stringMatching(/^--payload \/aps\/badge: /)])
  expect(faultsOf({}, undefined, '[')).toEqual([expect.stringMatching(/^--payload: no valid JSON: /)])
  expect(faultsOf({}, undefined, '[]')).toEqual([expect.stringMatching(/^--payload: Must/)])
})

test('every fault is told at once', () => {
  expect(faultsOf({ badge: 'x', priority: 'x', expiration: 'x', type: 'x' }, 'Hello')).toHaveLength(4)
})

test('--badge increment is enough by itself, and stands beside --payload too', () => {
  expect(readContent(undefined, { badge: 'increment' }, undefined, now, 'gateway')).toMatchObject({
    badge: 'increment',
    content: { payload: { aps: {} } },
    faults: [],
    warnings: [],
  })
  const beside = readContent(undefined, { badge: 'increment' }, '{"aps":{"alert":"Hello"}}', now, 'gateway')
  expect(beside).toMatchObject({ badge: 'increment', faults: [] })
  // ten digits are kept free for the badge
  const full = JSON.stringify({ aps: { alert: 'x'.repeat(2048 - 20) } })
  expect(full.length).toBeLessThanOrEqual(2048)
  expect(faultsOf({ badge: 'increment' }, undefined, full)).toEqual([expect.stringContaining('2048')])
  expect(faultsOf({}, undefined, full)).toEqual([])
})
