import { Readable } from 'node:stream'

import { type Interface, isPushType, PUSH_TYPES, type PushType } from '@lhspn/apns-protocol'
import { expect, test } from 'vitest'

import { type CommandError, placeOf } from '../errors.ts'
import { readSendRequest, type SendFlags, type SendRequest } from './request.ts'

const NOW = Date.UTC(2030, 0, 1)
const DAY_MS = 86_400_000
const TO = ['ab'.repeat(32)]

/** What is typed, and what comes by `--payload -`. */
interface Typed {
  readonly text?: string | undefined
  readonly flags?: SendFlags
  readonly payload?: string | undefined
}

function read({ text, flags = {}, payload }: Typed, over: Interface = 'provider-api') {
  const circumstances = {
    app: 'com.example.app',
    environment: 'production' as const,
    interface: over,
    stdin: Readable.from(payload === undefined ? [] : [payload]),
    now: NOW,
    mayAsk: false,
  }
  return readSendRequest(text, { to: TO, ...flags, ...(payload !== undefined && { payload: '-' }) }, circumstances)
}

/** Everything that is wrong with what was typed. */
async function faultsOf(typed: Typed, over: Interface = 'gateway'): Promise<readonly string[]> {
  try {
    await read(typed, over)
    return []
  } catch (error) {
    return (error as CommandError).faults.map((fault) => placeOf(fault) + fault.detail)
  }
}

const LEAST = {
  app: 'com.example.app',
  environment: 'production',
  pushType: 'alert',
  priority: 10,
  expiration: { afterMs: DAY_MS },
  collapseId: null,
  badge: null,
  sendAt: null,
  rate: null,
  maxAudience: null,
  onUnconfirmed: 'report',
}
const HELLO = { payload: { aps: { alert: 'Hello' } } }

test.for<[name: string, text: string | undefined, flags: SendFlags, push: Partial<SendRequest['push']>]>([
  ['a text alone is the alert', 'Hello', {}, HELLO],
  [
    'with a title it is the body',
    'Hello',
    { title: 'T' },
    { payload: { aps: { alert: { title: 'T', body: 'Hello' } } } },
  ],
  ['a badge alone', undefined, { badge: '0' }, { payload: { aps: { badge: 0 } } }],
  [
    'background',
    undefined,
    { background: true, data: ['id=7'] },
    { payload: { aps: { 'content-available': 1 }, id: '7' }, pushType: 'background', priority: 5 },
  ],
  [
    'data as text and as JSON',
    'Hello',
    { data: ['a=b=c', 'list:=[1,{"x":null}]', '__proto__=p'] },
    { payload: JSON.parse('{"aps":{"alert":"Hello"},"a":"b=c","list":[1,{"x":null}],"__proto__":"p"}') },
  ],
  ['now or never', 'Hello', { expiration: '0' }, { ...HELLO, expiration: { at: 0 } }],
  ['a time', 'Hello', { expiration: '2030-01-02T01:00:00+01:00' }, { ...HELLO, expiration: { at: NOW + DAY_MS } }],
  ['a priority', 'Hello', { type: 'alert', priority: '5' }, { ...HELLO, priority: 5 }],
  [
    'a collapse id, and priority 1',
    'Hello',
    { priority: '1', collapseId: 'sale-31' },
    { ...HELLO, priority: 1, collapseId: 'sale-31' },
  ],
  [
    'data alone, in a type that shows nothing by itself',
    undefined,
    { type: 'voip', data: ['call=7'], expiration: '0' },
    { payload: { call: '7' }, pushType: 'voip', expiration: { at: 0 } },
  ],
  ['a badge for each', 'Hello', { badge: 'increment' }, { ...HELLO, badge: 'increment' }],
  ['a time to begin', 'Hello', { at: '2030-01-01T01:00:00Z' }, { ...HELLO, sendAt: NOW + 3_600_000 }],
  ['a while to wait', 'Hello', { at: '+10m' }, { ...HELLO, sendAt: NOW + 600_000 }],
  [
    'a rate, a limit, and what is sent again',
    'Hello',
    { rate: '100', maxAudience: '20', onUnconfirmed: 'resend' },
    { ...HELLO, rate: 100, maxAudience: 20, onUnconfirmed: 'resend' },
  ],
])('%s', async ([, text, flags, push]) => {
  const request = await read({ text, flags })
  expect(request.push).toEqual({ ...LEAST, ...push })
  // which keys there are, and in which order
  expect(JSON.stringify(request.push.payload)).toBe(JSON.stringify(push.payload))
  expect(request.recipients).toEqual({ tokens: TO })
})

test('a whole payload stays as it is', async () => {
  const payload = { aps: { alert: { 'loc-key': 'K' } }, own: [1] }
  expect((await read({ payload: JSON.stringify(payload) })).push.payload).toEqual(payload)
})

test.for<[flags: SendFlags, fault: string | RegExp]>([
  [{ badge: '1.5' }, '--badge: must be a whole number from 0 to 2147483647, or increment, not "1.5"'],
  [{ badge: '99999999999' }, '--badge: must be a whole number from 0 to 2147483647, or increment, not "99999999999"'],
  [{ data: ['novalue'] }, '--data: must be KEY=VALUE or KEY:=JSON, not "novalue"'],
  [{ data: ['=x'] }, '--data: must be KEY=VALUE or KEY:=JSON, not "=x"'],
  [{ data: ['aps=x'] }, /^--data: cannot be aps/],
  [{ data: ['a=1', 'a=2'] }, '--data: gives a twice'],
  [{ data: ['a:={'] }, /^--data: a is no valid JSON: /],
  [{ type: 'bakground' }, /^--type: Must be one of alert, .*; did you mean background\?$/],
  [{ type: 'alert', background: true }, '--type: must be background beside --background, not alert'],
  [{ type: 'voip' }, /^--type: /],
  [{ priority: '2' }, '--priority: Must be 10, 5 or 1.'],
  [{ priority: 'high' }, '--priority: Must be 10, 5 or 1.'],
  [{ priority: '1' }, /^--priority: .* the gateway /],
  [{ collapseId: 'sale' }, /^--collapse-id: .* the gateway /],
  [{ expiration: 'soon' }, /^--expiration: Must be a duration such as 24h, 0 .*, or a time/],
  [{ expiration: '2030-13-01T00:00:00Z' }, /^--expiration: Must be/],
  [{ expiration: '2029-12-31T23:59:59Z' }, /^--expiration: Must not be over .* 0 means now or never/],
  [{ expiration: '0s' }, /^--expiration: Must not be over/],
  [{ expiration: '2107-01-01T00:00:00Z' }, /^--expiration: .* beyond 2106/],
  [{ expiration: '99999d' }, /^--expiration: .* beyond 2106/],
  [{ data: [`long=${'x'.repeat(2100)}`] }, /2048/],
  [{ at: 'tomorrow' }, /^--at: Must be a time such as/],
  [{ at: '+10x' }, /^--at: Must be a time such as/],
  [{ at: '2029-12-31T23:59:59Z' }, /^--at: Must not be in the past/],
  [{ rate: '0' }, /^--rate: Must be a whole number from 1 to /],
  [{ rate: 'fast' }, /^--rate: Must be a whole number from 1 to /],
  [{ maxAudience: 'many' }, /^--max-audience: Must be a whole number from 1 to /],
  [{ onUnconfirmed: 'retry' }, '--on-unconfirmed: Must be report or resend.'],
  [{ idempotencyKey: ' ' }, /^--idempotency-key: /],
  [{ to: ['xyz'] }, /^--to: /],
])('%j is refused', async ([flags, fault]) => {
  const faults = await faultsOf({ text: 'Hello', flags })
  expect(faults).toHaveLength(1)
  expect(faults[0]).toMatch(fault)
})

test('nothing to send is refused', async () => {
  for (const flags of [{}, { data: ['a=1'] }, { type: 'alert', data: ['a=1'] }, { type: 'voip' }]) {
    expect(await faultsOf({ flags }, 'provider-api')).toEqual([expect.stringMatching(/^TEXT: nothing to send/)])
  }
})

test.for<[flags: SendFlags, text: string | undefined, payload: string | undefined, fault: RegExp]>([
  [{ collapseId: 'x'.repeat(65) }, 'Hello', undefined, /^--collapse-id: .* 64 bytes/],
  [{ priority: '10', background: true }, undefined, undefined, /^--priority: Must be 5/],
  [{ data: [`long=${'x'.repeat(4096)}`] }, 'Hello', undefined, /4096/],
  [{ type: 'liveactivity' }, undefined, '{"aps":{"event":"update"}}', /^--payload \/aps\/timestamp: /],
])('%j is refused for the provider API', async ([flags, text, payload, fault]) => {
  const faults = await faultsOf({ text, flags, payload }, 'provider-api')
  expect(faults.filter((each) => fault.test(each))).toHaveLength(1)
})

test.for(Object.keys(PUSH_TYPES).filter(isPushType))('the provider API carries type %s', async (type) => {
  const payloads: Partial<Record<PushType, string>> = {
    alert: '{"aps":{"alert":"Hello"}}',
    background: '{"aps":{"content-available":1}}',
    liveactivity: '{"aps":{"event":"update","timestamp":1700000000,"content-state":{}}}',
    widgets: '{"aps":{"content-changed":true}}',
    controls: '{"aps":{"content-changed":true}}',
  }
  const typed = { flags: { type }, payload: payloads[type] ?? '{"own":1}' }
  expect((await read(typed)).push.pushType).toBe(type)
  const faults = await faultsOf(typed)
  expect(faults.some((fault) => fault.startsWith('--type: '))).toBe(!PUSH_TYPES[type].gateway)
})

test('beside a whole payload no flag may say what is shown', async () => {
  const flags = { title: 'T', data: ['a=1'] }
  expect(await faultsOf({ text: 'Hello', flags, payload: '{"aps":{"alert":"x"}}' })).toEqual([
    'TEXT: cannot stand beside --payload, which brings everything',
    '--title: cannot stand beside --payload, which brings everything',
    '--data: cannot stand beside --payload, which brings everything',
  ])
})

test('faults of a payload are named by their JSON pointer in the file', async () => {
  expect(await faultsOf({ payload: '{"aps":{"badge":-1}}' })).toEqual([
    expect.stringMatching(/^--payload \/aps\/badge: /),
  ])
  expect(await faultsOf({ payload: '[' })).toEqual([expect.stringMatching(/^--payload: no valid JSON: /)])
  expect(await faultsOf({ payload: '[]' })).toEqual([expect.stringMatching(/^--payload: Must/)])
})

test('a payload that cannot be read is told beside what else is wrong', async () => {
  expect(await faultsOf({ flags: { payload: '/no/such/file', to: ['xyz'] } })).toEqual([
    expect.stringMatching(/^--to: /),
    expect.stringMatching(/^--payload: cannot be read: /),
  ])
})

test('every fault is told at once', async () => {
  const flags = { badge: 'x', priority: 'x', expiration: 'x', type: 'x', rate: 'x', at: 'x', to: ['x'] }
  expect(await faultsOf({ text: 'Hello', flags })).toHaveLength(7)
})

test('--badge increment is enough by itself, and stands beside --payload too', async () => {
  const alone = await read({ flags: { badge: 'increment' } }, 'gateway')
  expect(alone).toMatchObject({ push: { badge: 'increment', payload: { aps: {} } }, warnings: [] })
  const flags = { badge: 'increment' }
  expect((await read({ flags, payload: '{"aps":{"alert":"Hello"}}' }, 'gateway')).push.badge).toBe('increment')
  // ten digits are kept free for the badge
  const full = JSON.stringify({ aps: { alert: 'x'.repeat(2048 - 20) } })
  expect(full.length).toBeLessThanOrEqual(2048)
  expect(await faultsOf({ flags, payload: full })).toEqual([expect.stringContaining('2048')])
  expect(await faultsOf({ payload: full })).toEqual([])
})

test('a time that has passed refuses what has no key to be found by; with one, it may have been stored before', async () => {
  const flags = { at: '2029-12-31T23:59:59Z' }
  expect(await faultsOf({ text: 'Hello', flags }, 'provider-api')).toHaveLength(1)
  const keyed = { ...flags, idempotencyKey: 'new year' }
  const { push, refusal } = await read({ text: 'Hello', flags: keyed })
  expect(push).toEqual({ ...LEAST, ...HELLO, sendAt: NOW - 1000 })
  expect(refusal?.faults).toEqual([{ flag: '--at', detail: 'Must not be in the past.' }])
  for (const wrong of [{ rate: '0' }, { badge: 'x' }, { to: ['xyz'] }])
    expect(await faultsOf({ text: 'Hello', flags: { ...keyed, ...wrong } }, 'provider-api')).toHaveLength(2)
})
