import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { bytesOf } from '../../test/hpack-vectors.ts'
import { hexOf } from '../../test/vectors.ts'
import { ProtocolError } from '../errors.ts'
import { huffmanDecode, huffmanEncode, maxDecodedBytes } from './huffman.ts'

function decode(bytes: Uint8Array): Uint8Array {
  const into = new Uint8Array(maxDecodedBytes(bytes.length) + 1)
  return into.slice(0, huffmanDecode(bytes, 0, bytes.length, into))
}

const text = new TextEncoder()

// Strings of RFC 7541, appendix C.4 and C.6.
test.for([
  { plain: '', hex: '' },
  { plain: '302', hex: '6402' },
  { plain: '307', hex: '640eff' },
  { plain: 'gzip', hex: '9bd9ab' },
  { plain: 'private', hex: 'aec3771a4b' },
  { plain: 'no-cache', hex: 'a8eb10649cbf' },
  { plain: 'custom-key', hex: '25a849e95ba97d7f' },
  { plain: 'custom-value', hex: '25a849e95bb8e8b4bf' },
  { plain: 'www.example.com', hex: 'f1e3c2e5f23a6ba0ab90f4ff' },
  { plain: 'Mon, 21 Oct 2013 20:13:21 GMT', hex: 'd07abe941054d444a8200595040b8166e082a62d1bff' },
])('"$plain" is written and read', ({ plain, hex }) => {
  expect(hexOf(huffmanEncode(text.encode(plain)))).toBe(hex)
  expect(decode(bytesOf(hex))).toEqual(text.encode(plain))
})

// Codes of RFC 7541, appendix B, one of each length, filled up with ones.
test.for([
  { byte: 0x30, hex: '07' },
  { byte: 0x20, hex: '53' },
  { byte: 0x3a, hex: 'b9' },
  { byte: 0x26, hex: 'f8' },
  { byte: 0x21, hex: 'fe3f' },
  { byte: 0x27, hex: 'ff5f' },
  { byte: 0x23, hex: 'ffaf' },
  { byte: 0x00, hex: 'ffc7' },
  { byte: 0x5e, hex: 'fff3' },
  { byte: 0x3c, hex: 'fff9' },
  { byte: 0x5c, hex: 'fffe1f' },
  { byte: 0x80, hex: 'fffe6f' },
  { byte: 0x99, hex: 'fffee7' },
  { byte: 0x81, hex: 'ffff4b' },
  { byte: 0x01, hex: 'ffffb1' },
  { byte: 0x09, hex: 'ffffea' },
  { byte: 0xc7, hex: 'fffff67f' },
  { byte: 0xc0, hex: 'fffff83f' },
  { byte: 0xcb, hex: 'fffffbdf' },
  { byte: 0x02, hex: 'fffffe2f' },
  { byte: 0x0a, hex: 'fffffff3' },
])('the code of byte $byte is that of the table', ({ byte, hex }) => {
  expect(hexOf(huffmanEncode(Uint8Array.of(byte)))).toBe(hex)
  expect(decode(bytesOf(hex))).toEqual(Uint8Array.of(byte))
})

test('all 256 bytes have codes that are read again, in any company', () => {
  const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
  expect(decode(huffmanEncode(all))).toEqual(all)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(decode(huffmanEncode(bytes))).toEqual(bytes)
    }),
  )
})

test.for([
  { fault: 'EOS', hex: 'ffffffff' },
  { fault: 'EOS behind a symbol', hex: '07fffffffc' },
  { fault: 'a whole byte of padding', hex: 'ff' },
  { fault: 'a whole byte of padding behind a symbol', hex: '07ff' },
  { fault: 'zeros as padding', hex: '04' },
  { fault: 'a code cut short', hex: 'fe' },
])('$fault is refused', ({ hex }) => {
  expect(() => decode(bytesOf(hex))).toThrow(expect.objectContaining({ code: 'http2-connection-error', http2Code: 9 }))
})

test('any bytes are a string that is written the same again, or are refused', () => {
  let strings = 0
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
      try {
        const decoded = decode(bytes)
        strings++
        expect(hexOf(huffmanEncode(decoded))).toBe(hexOf(bytes))
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
        expect(error.http2Code).toBe(9)
      }
    }),
    { numRuns: 2000 },
  )
  expect(strings).toBeGreaterThan(0)
})

test('no more than maxDecodedBytes come out, and so many can', () => {
  // Eight times the code of five zeros in five bytes.
  expect([decode(new Uint8Array(5)).length, maxDecodedBytes(5)]).toEqual([8, 8])
})
