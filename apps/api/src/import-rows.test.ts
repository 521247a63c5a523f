import { describe, expect, test } from 'vitest'

import { type ImportRow, type ImportType, MAX_ROW_BYTES, readRows } from './import-rows.ts'

async function rowsOf(type: ImportType, chunks: readonly Uint8Array[]): Promise<ImportRow[]> {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield* chunks
  }
  const rows: ImportRow[] = []
  for await (const row of readRows(type, source())) rows.push(row)
  return rows
}

const NDJSON = '\ufeff{"token":"ab"}\r\n\n{"token":"cd","attributes":{"a":"é😀"}}\nno\n{"token":"ef"}'
const CSV = '\ufefftoken,badge,attributes\r\nab,3,"{""a"":\n""x,y""}"\r\n\r\ncd,,\r\nef,1\r\n"gh",x,no\r\n'

describe.for([
  ['application/x-ndjson', NDJSON],
  ['text/csv', CSV],
] as const)('%s', ([type, text]) => {
  test('rows are the same wherever the bytes are cut', async () => {
    const bytes = Buffer.from(text)
    const whole = await rowsOf(type, [bytes])
    expect(whole).toHaveLength(4)
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(await rowsOf(type, [bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(whole)
    }
    const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
    expect(await rowsOf(type, single)).toEqual(whole)
  })
})

test('lines of NDJSON are counted, empty ones too', async () => {
  expect(await rowsOf('application/x-ndjson', [Buffer.from(NDJSON)])).toEqual([
    { line: 1, fields: { token: 'ab' } },
    { line: 3, fields: { token: 'cd', attributes: { a: 'é😀' } } },
    { line: 4, detail: 'Is no JSON.' },
    { line: 5, fields: { token: 'ef' } },
  ])
})

test('cells of a CSV become fields; an empty one is none', async () => {
  expect(await rowsOf('text/csv', [Buffer.from(CSV)])).toEqual([
    { line: 3, fields: { token: 'ab', badge: 3, attributes: { a: 'x,y' } } },
    { line: 5, fields: { token: 'cd' } },
    { line: 6, detail: 'Has 2 columns, and the first line names 3.' },
    { line: 7, detail: 'attributes: Is no JSON.' },
  ])
})

/** A row of so many bytes. */
function rowOf(length: number): string {
  return `{"token":"${'a'.repeat(length - 12)}"}`
}

test('a line as long as it may be is read, a longer one is turned away, and neither holds up the next', async () => {
  const text = [rowOf(MAX_ROW_BYTES), rowOf(MAX_ROW_BYTES + 1), '{"token":"ab"}'].join('\n')
  const bytes = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, at) =>
    bytes.subarray(at * 1000, (at + 1) * 1000),
  )
  expect(
    (await rowsOf('application/x-ndjson', chunks)).map((row) => ('detail' in row ? row.detail : row.line)),
  ).toEqual([1, `Is longer than ${MAX_ROW_BYTES} bytes.`, 3])
})

test.for([
  ['text behind a closing quote', '"ab"x,1', 'Has text behind a closing quote.'],
  ['a quote inside text', 'a"b,1', 'Has a quote inside text that is not quoted.'],
  ['a quote that is never closed', '"ab,1', 'Has a quote that is never closed.'],
] as const)('%s ends the reading; what stood before is read', async ([, line, detail]) => {
  const before = Array.from({ length: 200 }, (_, at) => `${at},1`)
  const text = ['token,badge', ...before, line, 'cd,2'].join('\n')
  const rows = await rowsOf('text/csv', [Buffer.from(text)])
  expect(rows.slice(0, -1)).toEqual(before.map((_, at) => ({ line: at + 2, fields: { token: String(at), badge: 1 } })))
  expect(rows.at(-1)).toMatchObject({ detail: `${detail} Nothing from here on was read.` })
})

test('a quoted cell that never ends does not fill the memory', async () => {
  const rows = await rowsOf('text/csv', [Buffer.from(`token\n"${'a'.repeat(MAX_ROW_BYTES * 2)}`)])
  expect(rows).toEqual([{ line: 2, detail: `Is longer than ${MAX_ROW_BYTES} bytes. Nothing from here on was read.` }])
})
