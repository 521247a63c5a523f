import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { HEADER_BLOCKS, INTEGERS } from '../../test/hpack-vectors.ts'
import { hexOf } from '../../test/vectors.ts'
import {
  encodeInteger,
  encodeString,
  encodeTableSizeUpdate,
  type HeaderField,
  renderHeaderBlock,
} from './hpack-encoder.ts'

function written(encode: (into: Uint8Array, at: number) => number): string {
  const bytes = new Uint8Array(200).fill(0xaa)
  return hexOf(bytes.subarray(2, encode(bytes, 2)))
}

test.for(INTEGERS)('$name is written', ({ hex, fields }) => {
  expect(written((into, at) => encodeInteger(into, at, fields.prefixBits, 0, fields.value))).toBe(hex)
})

test.for([
  { prefixBits: 4, flags: 0x10, value: 14, hex: '1e' },
  { prefixBits: 4, flags: 0x10, value: 15, hex: '1f00' },
  { prefixBits: 4, flags: 0x10, value: 23, hex: '1f08' },
  { prefixBits: 7, flags: 0, value: 127, hex: '7f00' },
  { prefixBits: 7, flags: 0, value: 254, hex: '7f7f' },
  { prefixBits: 7, flags: 0, value: 255, hex: '7f8001' },
  { prefixBits: 8, flags: 0, value: 2 ** 32 - 1, hex: 'ff80feffff0f' },
])('$value in $prefixBits bits', ({ prefixBits, flags, value, hex }) => {
  expect(written((into, at) => encodeInteger(into, at, prefixBits, flags, value))).toBe(hex)
})

test.for(HEADER_BLOCKS.filter(({ name }) => ['C.2.2', 'C.2.3', 'C.2.4'].includes(name)))(
  '$name is written as the RFC does',
  ({ fields }) => {
    for (const { hex, headers } of fields.blocks) {
      const rendered = headers.map(([name, value]): HeaderField => {
        return name === 'password' ? [name, value, 'sensitive'] : [name, value]
      })
      expect(hexOf(renderHeaderBlock(rendered))).toBe(hex)
    }
  },
)

test.for<{ rule: string; field: HeaderField; hex: string }>([
  { rule: 'a field of the static table is one byte', field: [':method', 'POST'], hex: '83' },
  { rule: 'its name alone is an index', field: [':status', '410'], hex: '0803343130' },
  { rule: 'an empty value is no entry of the table', field: ['retry-after', ''], hex: '0f2600' },
  { rule: 'other names are written out', field: ['apns-id', 'x'], hex: '000761706e732d69640178' },
  { rule: 'a secret is never indexed', field: ['authorization', 'x', 'sensitive'], hex: '1f080178' },
  { rule: 'neither is one that the table has', field: [':path', '/', 'sensitive'], hex: '14012f' },
  { rule: 'a value beyond ASCII is UTF-8', field: [':path', 'é'], hex: '0402c3a9' },
])('$rule', ({ field, hex }) => {
  expect(hexOf(renderHeaderBlock([field]))).toBe(hex)
})

test('a block is the pieces that it was rendered in', () => {
  const field = fc.tuple(fc.constantFrom(':path', ':status', 'apns-id', 'x'), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(fc.array(field), fc.array(field), (before, behind) => {
      const pieces = hexOf(renderHeaderBlock(before)) + hexOf(renderHeaderBlock(behind))
      expect(hexOf(renderHeaderBlock([...before, ...behind]))).toBe(pieces)
    }),
  )
})

test('strings and size updates have their own beginnings', () => {
  expect(written((into, at) => encodeString(into, at, 'Grüße'))).toBe('074772c3bcc39f65')
  expect(written((into, at) => encodeTableSizeUpdate(into, at, 0))).toBe('20')
  expect(written((into, at) => encodeTableSizeUpdate(into, at, 4096))).toBe('3fe11f')
})
