import { Buffer } from 'node:buffer'

import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { fromBase64url, toBase64url } from './base64url.ts'

test('bytes become what another implementation makes of them, and come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      const text = toBase64url(bytes)
      expect(text).toBe(Buffer.from(bytes).toString('base64url'))
      expect(fromBase64url(text)).toEqual(bytes)
    }),
  )
})

test('any text either stands for bytes that give it again, or for none', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom('A', 'Q', 'g', 'w', '-', '_', '9', '+', '=') }),
  )
  fc.assert(
    fc.property(text, (value) => {
      const bytes = fromBase64url(value)
      if (bytes === undefined) expect(Buffer.from(value, 'base64url').toString('base64url')).not.toBe(value)
      else expect(toBase64url(bytes)).toBe(value)
    }),
  )
})

test.for(['A', 'AB', 'AAB', 'AA==', 'A+', 'A/', 'AA A', 'é', 'AAAAA'])('%j stands for no bytes', (text) => {
  expect(fromBase64url(text)).toBeUndefined()
})
