import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { hexOf, type Vector, vectors } from '../../test/vectors.ts'
import { MAX_TOKEN_BYTES } from '../device-token.ts'
import { MAX_BADGE, type Payload, type PayloadBytes, renderPayload } from '../payload.ts'
import { CommandDecoder, type Command } from './command-decoder.ts'
import {
  BARRIER_BYTES,
  encodeBarrier,
  encodeCommand0,
  encodeCommand1,
  encodeNotification,
  MAX_FRAME_BYTES,
  MAX_GATEWAY_PAYLOAD_BYTES,
} from './command.ts'

const TOKEN = '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad'
const OFFSET = 7

/** What an encoder writes behind `OFFSET`, as hex; null when it refuses. */
function written(encode: (into: Uint8Array, offset: number) => number): string | null {
  const into = new Uint8Array(OFFSET + MAX_FRAME_BYTES).fill(0xee)
  const end = encode(into, OFFSET)
  expect(hexOf(into.subarray(0, OFFSET))).toBe('ee'.repeat(OFFSET))
  if (end < 0) return null
  expect(into.subarray(end).every((byte) => byte === 0xee)).toBe(true)
  return hexOf(into.subarray(OFFSET, end))
}

function raw(text: string): PayloadBytes {
  const bytes = new TextEncoder().encode(text)
  return { plain: bytes, beforeBadge: bytes, afterBadge: new Uint8Array(0) }
}

function decoded(hex: string): Command {
  const commands: Command[] = []
  const decoder = new CommandDecoder()
  decoder.push(Uint8Array.from(Buffer.from(hex, 'hex')), (command) => commands.push(command))
  decoder.end()
  expect(commands).toHaveLength(1)
  return commands.at(0)!
}

test.for(vectors('command0'))('command 0 is written as in $name', ({ bytes, fields }) => {
  const payload = raw(fields.payloadUtf8!).plain
  expect(written((into, at) => encodeCommand0(into, at, fields.tokenHex!, payload))).toBe(hexOf(bytes))
})

test.for(vectors('command1'))('command 1 is written as in $name', ({ bytes, fields }) => {
  const payload = raw(fields.payloadUtf8!).plain
  const { identifier, expiry, tokenHex } = fields
  expect(written((into, at) => encodeCommand1(into, at, identifier!, expiry!, tokenHex!, payload))).toBe(hexOf(bytes))
})

/** The vector's frame with its items in the order of ours: 3, 1, 2, 4, 5. */
function inOurOrder({ bytes, fields }: Vector): string {
  const items = new Map<number, string>()
  let at = 5
  for (const item of fields.itemOrder!) {
    const end = at + 3 + bytes.at(at + 1)! * 256 + bytes.at(at + 2)!
    items.set(item, hexOf(bytes.subarray(at, end)))
    at = end
  }
  return hexOf(bytes.subarray(0, 5)) + [3, 1, 2, 4, 5].map((item) => items.get(item) ?? '').join('')
}

const identified = vectors('command2').filter(({ fields }) => fields.identifier !== undefined)

test.for(identified)('command 2 has the items of $name, identifier first', (vector) => {
  const { identifier, tokenHex, payloadUtf8, expiry, priority } = vector.fields
  const text = written((into, at) =>
    encodeNotification(into, at, identifier!, tokenHex!, raw(payloadUtf8!), undefined, expiry, priority),
  )
  expect(text).toBe(inOurOrder(vector))
})

test('vectors with the identifier first are met byte for byte', () => {
  expect(identified.filter((vector) => inOurOrder(vector) === hexOf(vector.bytes))).not.toHaveLength(0)
})

test('the barrier is the vector of the empty token', () => {
  const vector = vectors('command2-malformed').find(({ name }) => name === 'cmd2-barrier-zero-token')!
  expect(vector.bytes).toHaveLength(BARRIER_BYTES)
  expect(written((into, at) => encodeBarrier(into, at, vector.fields.identifier!))).toBe(hexOf(vector.bytes))
})

test.for([
  { rule: 'an empty token', token: '' },
  { rule: 'half a byte', token: `${TOKEN}0` },
  { rule: 'more than 100 bytes', token: '00'.repeat(MAX_TOKEN_BYTES + 1) },
  { rule: 'a letter behind f', token: `g${TOKEN.slice(1)}` },
  { rule: 'a slash, the character before 0', token: `${TOKEN.slice(1)}/` },
  { rule: 'a colon, the character behind 9', token: `${TOKEN.slice(1)}:` },
  { rule: 'a space', token: ` ${TOKEN.slice(1)}` },
  { rule: 'a character whose low byte is a digit', token: `\u0130${TOKEN.slice(1)}` },
  { rule: 'a full-width digit', token: `０${TOKEN.slice(1)}` },
])('no encoder takes $rule', ({ token }) => {
  const payload = raw('{}')
  expect(written((into, at) => encodeNotification(into, at, 1, token, payload, undefined, 0, 10))).toBeNull()
  expect(written((into, at) => encodeCommand0(into, at, token, payload.plain))).toBeNull()
  expect(written((into, at) => encodeCommand1(into, at, 1, 0, token, payload.plain))).toBeNull()
})

test.for([-1, 0.5, NaN, Infinity, MAX_BADGE + 1, 2 ** 32, 2 ** 32 + 1])('no badge is %d', (badge) => {
  const payload = renderPayload({ aps: { alert: 'a' } })
  expect(written((into, at) => encodeNotification(into, at, 1, TOKEN, payload, badge, 0, 10))).toBeNull()
})

test.for([0, 9, 10, 99, 100, 1234567890, MAX_BADGE - 1, MAX_BADGE])('the badge %d is spliced in', (badge) => {
  const payload = renderPayload({ aps: { alert: 'a', badge: 77 }, k: 1 })
  const command = decoded(written((into, at) => encodeNotification(into, at, 1, TOKEN, payload, badge, 0, 10))!)
  expect(JSON.parse(new TextDecoder().decode(command.payload))).toEqual({ aps: { alert: 'a', badge }, k: 1 })
})

test('a payload of 2048 bytes fits, one of 2049 does not, and the badge counts', () => {
  const full = 'x'.repeat(MAX_GATEWAY_PAYLOAD_BYTES)
  const notification = (payload: PayloadBytes, badge?: number): string | null =>
    written((into, at) => encodeNotification(into, at, 1, TOKEN, payload, badge, 0, 10))
  expect(notification(raw(full))).not.toBeNull()
  expect(notification(raw(`${full}x`))).toBeNull()
  expect(notification(raw(full.slice(1)), 9)).not.toBeNull()
  expect(notification(raw(full.slice(1)), 10)).toBeNull()
  expect(written((into, at) => encodeCommand0(into, at, TOKEN, raw(`${full}x`).plain))).toBeNull()
})

test('the largest frame has MAX_FRAME_BYTES', () => {
  const token = 'ff'.repeat(MAX_TOKEN_BYTES)
  const payload = raw('x'.repeat(MAX_GATEWAY_PAYLOAD_BYTES))
  const text = written((into, at) => encodeNotification(into, at, 2 ** 32 - 1, token, payload, undefined, 1, 10))
  expect(text).toHaveLength(MAX_FRAME_BYTES * 2)
})

test('a buffer that is one byte too short is refused before anything is written', () => {
  const payload = raw('{}')
  for (const encode of [
    (into: Uint8Array) => encodeNotification(into, 0, 1, TOKEN, payload, undefined, 0, 10),
    (into: Uint8Array) => encodeBarrier(into, 0, 1),
    (into: Uint8Array) => encodeCommand0(into, 0, TOKEN, payload.plain),
    (into: Uint8Array) => encodeCommand1(into, 0, 1, 0, TOKEN, payload.plain),
  ]) {
    const end = encode(new Uint8Array(MAX_FRAME_BYTES))
    expect(encode(new Uint8Array(end))).toBe(end)
    const short = new Uint8Array(end - 1)
    expect(() => encode(short)).toThrow(RangeError)
    expect(short.every((byte) => byte === 0)).toBe(true)
  }
})

const token = fc.uint8Array({ minLength: 1, maxLength: MAX_TOKEN_BYTES }).map(hexOf)
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const payload = fc.string({ maxLength: 300 }).map((alert): Payload => ({ aps: { alert } }))

test('whatever is written as command 2 is read again', () => {
  fc.assert(
    fc.property(
      u32,
      token,
      payload,
      fc.option(fc.nat(MAX_BADGE), { nil: undefined }),
      fc.option(u32, { nil: undefined }),
      fc.option(fc.constantFrom(10, 5), { nil: undefined }),
      (identifier, hex, content, badge, expiration, priority) => {
        const text = written((into, at) =>
          encodeNotification(
            into,
            at,
            identifier,
            hex.toUpperCase(),
            renderPayload(content),
            badge,
            expiration,
            priority,
          ),
        )!
        const command = decoded(text)
        const json: unknown = JSON.parse(new TextDecoder().decode(command.payload))
        expect({ ...command, payload: json, bytes: hexOf(command.bytes) }).toEqual({
          command: 2,
          token: hex,
          payload: badge === undefined ? content : { aps: { ...content.aps, badge } },
          identifier,
          expiration,
          priority,
          fault: undefined,
          bytes: text,
        })
      },
    ),
  )
})

test('whatever is written as command 1 or 0 is read again', () => {
  fc.assert(
    fc.property(
      u32,
      u32,
      token,
      fc.uint8Array({ minLength: 1, maxLength: 2048 }),
      (identifier, expiration, hex, json) => {
        const one = decoded(written((into, at) => encodeCommand1(into, at, identifier, expiration, hex, json))!)
        expect({ ...one, payload: hexOf(one.payload) }).toMatchObject({
          command: 1,
          token: hex,
          payload: hexOf(json),
          identifier,
          expiration,
          priority: undefined,
          fault: undefined,
        })
        const zero = decoded(written((into, at) => encodeCommand0(into, at, hex, json))!)
        expect({ ...zero, payload: hexOf(zero.payload) }).toMatchObject({
          command: 0,
          token: hex,
          payload: hexOf(json),
          identifier: undefined,
          expiration: undefined,
          fault: undefined,
        })
      },
    ),
  )
})
