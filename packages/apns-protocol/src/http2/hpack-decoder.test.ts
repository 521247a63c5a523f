import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { bytesOf, type Header, HEADER_BLOCKS } from '../../test/hpack-vectors.ts'
import { hexOf } from '../../test/vectors.ts'
import { ProtocolError } from '../errors.ts'
import { http2ErrorName } from './frame.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { encodeInteger, encodeTableSizeUpdate, renderHeaderBlock } from './hpack-encoder.ts'
import { huffmanEncode } from './huffman.ts'
import { STATIC_TABLE } from './static-table.ts'

/** The fields of a block that lies somewhere in a larger array, values a character per byte. */
function decode(decoder: HpackDecoder, block: Uint8Array): Header[] {
  const fields: Header[] = []
  const bytes = Uint8Array.of(0x88, ...block, 0x88)
  decoder.decode(bytes, 1, bytes.length - 1, {
    field: (name, value, start, end) => fields.push([name, Buffer.from(value.subarray(start, end)).toString('latin1')]),
  })
  return fields
}

/** The name of the code for the GOAWAY, which every later block gets too. */
function refusal(decoder: HpackDecoder, hex: string): string {
  try {
    decode(decoder, bytesOf(hex))
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    expect(error.code).toBe('http2-connection-error')
    expect(() => decode(decoder, bytesOf('88'))).toThrow(error)
    return http2ErrorName(error.http2Code!)
  }
  return 'none'
}

test.for(HEADER_BLOCKS)('$name is read, and the table is the same as in the RFC', ({ fields }) => {
  const decoder = new HpackDecoder({ maxTableBytes: fields.maxTableBytes })
  for (const { hex, headers, table, tableBytes } of fields.blocks) {
    expect(decode(decoder, bytesOf(hex))).toEqual(headers)
    expect(decoder.tableBytes).toBe(tableBytes)
    const indexes = table.map((_, index) => (0x80 | (62 + index)).toString(16)).join('')
    expect(decode(decoder, bytesOf(indexes))).toEqual(table)
  }
})

test.for(HEADER_BLOCKS)('$name, cut short anywhere, is its first fields or refused', ({ fields }) => {
  const { hex, headers } = fields.blocks[0]!
  const bytes = bytesOf(hex)
  for (let cut = 0; cut < bytes.length; cut++) {
    const decoder = new HpackDecoder()
    try {
      const some = decode(decoder, bytes.subarray(0, cut))
      expect(some).toEqual(headers.slice(0, some.length))
      expect(some.length).toBeLessThan(headers.length)
    } catch (error) {
      expect(error).toMatchObject({ code: 'http2-connection-error', http2Code: 9 })
    }
  }
})

test('every index of the static table is its field', () => {
  const block = Uint8Array.from(STATIC_TABLE, (_, index) => 0x80 | (index + 1))
  expect(decode(new HpackDecoder(), block)).toEqual(STATIC_TABLE)
})

test('names that are known are the same strings, written out or not', () => {
  const names = ['apns-id', 'apns-unique-id', 'retry-after', ':status', 'location']
  for (const name of names) {
    const plain = Uint8Array.of(0x00, name.length, ...Buffer.from(name), 0)
    const huffman = huffmanEncode(Buffer.from(name))
    const coded = Uint8Array.of(0x00, 0x80 | huffman.length, ...huffman, 0)
    expect([decode(new HpackDecoder(), plain), decode(new HpackDecoder(), coded)]).toEqual([[[name, '']], [[name, '']]])
  }
  expect(decode(new HpackDecoder(), bytesOf('00 06 61706e732d78 00 00 00 00'))).toEqual([
    ['apns-x', ''],
    ['', ''],
  ])
})

test.for([
  { fault: 'index 0', hex: '80' },
  { fault: 'an index behind the static table, with nothing in the other', hex: 'be' },
  { fault: 'a name there', hex: '7e0161' },
  { fault: 'an index that is far too large', hex: 'ffffffff07' },
  { fault: 'an integer of six bytes', hex: 'ff8080808000' },
  { fault: 'an integer cut short', hex: 'ff80' },
  { fault: 'a literal without a name', hex: '40' },
  { fault: 'a literal without a value', hex: '400161' },
  { fault: 'a name longer than the block', hex: '40026161' },
  { fault: 'a value longer than the block', hex: '4001610261' },
  { fault: 'EOS in a string', hex: '0484ffffffff' },
  { fault: 'bad padding of a string', hex: '048104' },
  { fault: 'a size update above what was allowed', hex: '3fe21f' },
  { fault: 'a size update behind a field', hex: '8820' },
])('$fault is a COMPRESSION_ERROR', ({ hex }) => {
  expect(refusal(new HpackDecoder(), hex)).toBe('COMPRESSION_ERROR')
})

test('a size update empties the table, and a later one gives its room back', () => {
  const decoder = new HpackDecoder()
  decode(decoder, bytesOf('400161 0162'))
  expect(decoder.tableBytes).toBe(34)
  expect(decode(decoder, bytesOf('20 3fe11f 400161 0163 be'))).toEqual([
    ['a', 'c'],
    ['a', 'c'],
  ])
  expect(decoder.tableBytes).toBe(34)
})

test('an entry larger than the table leaves it empty, and is told all the same', () => {
  const decoder = new HpackDecoder({ maxTableBytes: 40 })
  expect(decode(decoder, bytesOf('400161 0162 400161 08 3132333435363738'))).toEqual([
    ['a', 'b'],
    ['a', '12345678'],
  ])
  expect(decoder.tableBytes).toBe(0)
})

/** A decoder with an entry in its table, whose SETTINGS were then changed to these sizes. */
function lowered(...sizes: readonly number[]): HpackDecoder {
  const decoder = new HpackDecoder()
  decode(decoder, bytesOf('400161 0162'))
  for (const size of sizes) decoder.setMaxTableBytes(size)
  return decoder
}

test('a table that may be larger than 4,096 bytes is so after a size update', () => {
  const entries = '400161 0162'.repeat(200) // 34 bytes each
  const decoder = new HpackDecoder({ maxTableBytes: 6800 })
  decode(decoder, bytesOf(entries))
  expect(decoder.tableBytes).toBe(120 * 34)
  decode(decoder, bytesOf(`3ff134 ${entries}`))
  expect(decoder.tableBytes).toBe(6800)
})

test('after SETTINGS lowered the table, the next block has to begin with it', () => {
  expect(refusal(lowered(100), '88')).toBe('COMPRESSION_ERROR')
  expect(refusal(lowered(100), '3f46 88')).toBe('COMPRESSION_ERROR') // 101
  expect(refusal(lowered(100), '3f45 88 be')).toBe('none')
  expect(refusal(lowered(100), '3f45 3f44 88')).toBe('none')
  expect(refusal(lowered(0), '20 be')).toBe('COMPRESSION_ERROR')
  // Lowered and raised again: the lowest is told first (RFC 7541, section 4.2).
  expect(refusal(lowered(0, 4096), '3fe11f 88')).toBe('COMPRESSION_ERROR')
  expect(refusal(lowered(0, 4096), '20 3fe11f 88')).toBe('none')
  expect(refusal(lowered(8192), '88 be')).toBe('none')
  expect(refusal(lowered(8192), '3fe13f 88 be')).toBe('none')
})

test('fields of more bytes than allowed are refused, 32 for each included', () => {
  const options = { maxHeaderListBytes: 84 } // twice :status: 200
  expect(refusal(new HpackDecoder(options), '88 88')).toBe('none')
  expect(refusal(new HpackDecoder(options), '88 88 88')).toBe('ENHANCE_YOUR_CALM')
  expect(refusal(new HpackDecoder(options), '88 0803323030')).toBe('none')
  expect(refusal(new HpackDecoder(options), '88 080432303030')).toBe('ENHANCE_YOUR_CALM')
})

test('an error of the sink ends the decoder too', () => {
  const decoder = new HpackDecoder()
  const fault = new Error('the sink does not like it')
  const sink = {
    field: () => {
      throw fault
    },
  }
  expect(() => decoder.decode(bytesOf('88'), 0, 1, sink)).toThrow(fault)
  expect(() => decode(decoder, bytesOf('88'))).toThrow(fault)
})

/** What an encoder with a table may choose to do with a field. */
type Form = 'indexed' | 'incremental' | 'without' | 'never'

/** A peer that keeps the table of RFC 7541 as a list and writes each field in the form it is told. */
class Peer {
  #table: Header[] = []
  #capacity = 4096

  get tableBytes(): number {
    return this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0)
  }

  resize(capacity: number): number[] {
    this.#capacity = capacity
    this.#evict()
    return integer(0x20, 5, capacity)
  }

  write([name, value]: Header, form: Form, isNameIndexed: boolean, isHuffman: boolean): number[] {
    const all: Header[] = [...STATIC_TABLE, ...this.#table]
    const whole = all.findIndex((entry) => entry[0] === name && entry[1] === value)
    if (form === 'indexed' && whole >= 0) return integer(0x80, 7, whole + 1)
    const named = isNameIndexed ? all.findIndex((entry) => entry[0] === name) + 1 : 0
    if (form === 'indexed' || form === 'incremental') {
      this.#table.unshift([name, value])
      this.#evict()
    }
    const first = { indexed: 0x40, incremental: 0x40, without: 0, never: 0x10 }[form]
    const start = integer(first, first === 0x40 ? 6 : 4, named)
    return [...start, ...(named === 0 ? string(name, isHuffman) : []), ...string(value, isHuffman)]
  }

  #evict(): void {
    while (this.tableBytes > this.#capacity) this.#table.pop()
  }
}

function integer(flags: number, prefixBits: number, value: number): number[] {
  const bytes = new Uint8Array(6)
  return [...bytes.subarray(0, encodeInteger(bytes, 0, prefixBits, flags, value))]
}

function string(text: string, isHuffman: boolean): number[] {
  const plain = Buffer.from(text, 'latin1')
  const bytes = isHuffman ? huffmanEncode(plain) : plain
  return [...integer(isHuffman ? 0x80 : 0, 7, bytes.length), ...bytes]
}

const byteText = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))
const header = fc.tuple(
  fc.oneof(fc.constantFrom(':status', 'apns-id', 'retry-after', 'x'), byteText),
  fc.oneof(fc.constantFrom('200', '400', 'b'), byteText),
)
const field = fc.record({
  header,
  form: fc.constantFrom<Form>('indexed', 'incremental', 'without', 'never'),
  isNameIndexed: fc.boolean(),
  isHuffman: fc.boolean(),
})
const blocks = fc.array(
  fc.record({ sizes: fc.array(fc.nat(4096), { maxLength: 2 }), fields: fc.array(field, { maxLength: 12 }) }),
  { maxLength: 8 },
)

test('whatever a peer with a table writes is read, in any form and with any sizes of the table', () => {
  fc.assert(
    fc.property(blocks, (sent) => {
      const decoder = new HpackDecoder()
      const peer = new Peer()
      for (const { sizes, fields } of sent) {
        const updates = sizes.flatMap((size) => peer.resize(size))
        const bytes = fields.flatMap((one) => peer.write(one.header, one.form, one.isNameIndexed, one.isHuffman))
        expect(decode(decoder, Uint8Array.from([...updates, ...bytes]))).toEqual(fields.map((one) => one.header))
        expect(decoder.tableBytes).toBe(peer.tableBytes)
      }
    }),
    { numRuns: 500 },
  )
})

test('whatever the stateless encoder renders is read, behind a size update too', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(header, fc.boolean())), fc.nat(4096), (sent, size) => {
      const ascii = sent.map(([[name, value], isSecret]) => {
        const safe = [name, value].map((text) => text.replaceAll(/[^ -~]/g, '.')) as [string, string]
        return isSecret ? ([...safe, 'sensitive'] as const) : safe
      })
      const update = new Uint8Array(6)
      const bytes = [...update.subarray(0, encodeTableSizeUpdate(update, 0, size)), ...renderHeaderBlock(ascii)]
      const decoder = new HpackDecoder()
      expect(decode(decoder, Uint8Array.from(bytes))).toEqual(ascii.map(([name, value]) => [name, value]))
      expect(decoder.tableBytes).toBe(0)
    }),
  )
})

test('any bytes give fields or one connection error, within the bounds', () => {
  const stretch = fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc.constantFrom('88', 'be', 'bf', '20', '3fe11f', '400161 0162', '5f0a 03 323030', '0f2681ff').map(bytesOf),
  )
  const outcomes = new Set<string>()
  fc.assert(
    fc.property(fc.array(fc.array(stretch, { maxLength: 10 }), { maxLength: 6 }), (parts) => {
      const decoder = new HpackDecoder({ maxHeaderListBytes: 100 })
      for (const part of parts) {
        const outcome = refusal(decoder, hexOf(Uint8Array.from(part.flatMap((bytes) => [...bytes]))))
        outcomes.add(outcome)
        if (outcome !== 'none') break
        expect(decoder.tableBytes).toBeLessThanOrEqual(4096)
      }
    }),
    { numRuns: 2000 },
  )
  expect([...outcomes].toSorted()).toEqual(['COMPRESSION_ERROR', 'ENHANCE_YOUR_CALM', 'none'])
})
