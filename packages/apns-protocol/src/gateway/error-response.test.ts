import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { cutInto, everyCut, hexOf, vectors } from '../../test/vectors.ts'
import {
  encodeErrorResponse,
  ERROR_RESPONSE_BYTES,
  ERROR_STATUSES,
  type ErrorResponse,
  ErrorResponseDecoder,
  isErrorStatus,
} from './error-response.ts'

function read(chunks: readonly Uint8Array[]): ErrorResponse[] {
  const decoder = new ErrorResponseDecoder()
  return chunks.map((chunk) => decoder.push(chunk)).filter((answer) => answer !== undefined)
}

test.for(vectors('error'))('$name is written and read, cut anywhere', ({ bytes, fields }) => {
  const { status, identifier } = fields
  expect(hexOf(encodeErrorResponse(status!, identifier!))).toBe(hexOf(bytes))
  for (const chunks of everyCut(bytes)) expect(read(chunks)).toEqual([{ status, identifier }])
})

test('the vectors know exactly the statuses of the table', () => {
  const statuses = vectors('error').map(({ fields }) => fields.status!)
  expect(Object.keys(ERROR_STATUSES).map(Number)).toEqual(statuses)
  for (let status = 0; status < 256; status++) expect(isErrorStatus(status)).toBe(statuses.includes(status))
})

test.for([
  { whom: 'token', statuses: [2, 5, 8] },
  { whom: 'content', statuses: [4, 7] },
  { whom: 'credentials', statuses: [3, 6] },
  { whom: 'service', statuses: [0, 1, 10, 128, 255] },
])('these statuses are about the $whom', ({ whom, statuses }) => {
  const rows = Object.entries(ERROR_STATUSES).filter(([, facts]) => facts.about === whom)
  expect(rows.map(([status]) => Number(status))).toEqual(statuses)
})

test('it comes once, at its sixth byte; garbage behind it changes nothing', () => {
  const u8 = fc.nat(255)
  const u32 = fc.nat(2 ** 32 - 1)
  const lengths = fc.array(fc.nat(5), { minLength: 1 })
  fc.assert(
    fc.property(u8, u32, fc.uint8Array({ maxLength: 20 }), lengths, (status, identifier, garbage, pieces) => {
      const decoder = new ErrorResponseDecoder()
      let came = 0
      for (const chunk of cutInto(Uint8Array.of(...encodeErrorResponse(status, identifier), ...garbage), pieces)) {
        const before = came
        came += chunk.length
        const answer = decoder.push(chunk)
        const due = before < ERROR_RESPONSE_BYTES && came >= ERROR_RESPONSE_BYTES
        expect(answer).toEqual(due ? { status, identifier } : undefined)
        expect(decoder.held).toBe(came < ERROR_RESPONSE_BYTES ? came : 0)
      }
    }),
  )
})

test('every first byte but 8 is refused, again at each call', () => {
  for (let first = 0; first < 256; first++) {
    if (first === 8) continue
    const decoder = new ErrorResponseDecoder()
    const refusal = expect.objectContaining({ code: 'malformed-frame' })
    expect(() => decoder.push(Uint8Array.of(first))).toThrow(refusal)
    expect(() => decoder.push(encodeErrorResponse(8, 1))).toThrow(refusal)
  }
})
