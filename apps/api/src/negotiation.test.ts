import { expect, test } from 'vitest'

import { chooseType, LIST_TYPES, mediaTypeOf } from './negotiation.ts'

test.for([
  [undefined, 'application/json'],
  ['', 'application/json'],
  ['*/*', 'application/json'],
  ['text/csv', 'text/csv'],
  ['TEXT/CSV', 'text/csv'],
  ['text/*', 'text/csv'],
  ['text/html, */*;q=0.1', 'application/json'],
  ['application/x-ndjson, application/json', 'application/json'],
  ['application/json;q=0.5, application/x-ndjson', 'application/x-ndjson'],
  ['*/*, application/json;q=0', 'application/x-ndjson'],
] as const)('Accept: %s chooses %s', ([accept, type]) => expect(chooseType(accept, LIST_TYPES)).toBe(type))

test.for(['text/html', 'application/json;q=0', '*/*;q=0', ',;,'])('Accept: %s cannot be had', (accept) =>
  expect(() => chooseType(accept, LIST_TYPES)).toThrow(expect.objectContaining({ kind: 'not-acceptable' })),
)

test.for([
  [undefined, undefined],
  ['application/json', 'application/json'],
  ['Application/JSON; charset=utf-8', 'application/json'],
  [' text/csv ;x', 'text/csv'],
] as const)('Content-Type: %s is %s', ([header, type]) => expect(mediaTypeOf(header)).toBe(type))
