import { pipeline, Readable } from 'node:stream'

import { didYouMean } from '@lhspn/service'
import { type CsvError, parse } from 'csv-parse'

import { faultsOfJson } from './faults.ts'
import { ApiError } from './problem.ts'

/** The forms in which devices can be imported. */
export const IMPORT_TYPES = ['application/x-ndjson', 'text/csv'] as const
export type ImportType = (typeof IMPORT_TYPES)[number]

/** A line, and what it says about a device: not checked, but for what the form itself asks. */
export type ImportRow =
  | { readonly line: number; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly line: number; readonly detail: string }

/** Of one row. A device has less than a sixth of it. */
export const MAX_ROW_BYTES = 65_536
const LINE_END = 10
const BYTE_ORDER_MARK = Buffer.from('\ufeff')
const CSV_COLUMNS = [
  'app',
  'token',
  'environment',
  'platform',
  'osVersion',
  'badge',
  'attributes',
  'refused',
  'createdAt',
  'updatedAt',
]
const IS_UTF8 = 'Is not valid UTF-8.'
const TOO_LONG = `Is longer than ${MAX_ROW_BYTES} bytes.`

/**
 * Reads rows as they come, and holds one at a time.
 * @throws ApiError `invalid-request` where a CSV has no usable first line
 */
export function readRows(
  type: ImportType,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ImportRow, void, undefined> {
  return type === 'text/csv' ? readCsv(chunks) : readNdjson(chunks)
}

async function* readNdjson(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ImportRow, void, undefined> {
  let line = 0
  for await (const bytes of splitLines(chunks)) {
    line++
    if (bytes === undefined) {
      yield { line, detail: TOO_LONG }
      continue
    }
    const text = decode(bytes)
    if (text === undefined) yield { line, detail: IS_UTF8 }
    else if (text.trim() !== '') yield jsonRow(line, text)
  }
}

/** Lines without their ends; undefined for one that is too long. */
async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | undefined, void, undefined> {
  let parts: Uint8Array[] = []
  let size = 0
  const add = (part: Uint8Array): void => {
    size += part.length
    if (size <= MAX_ROW_BYTES) parts.push(part)
    else parts = []
  }
  const take = (): Uint8Array | undefined => {
    const line = size <= MAX_ROW_BYTES ? Buffer.concat(parts) : undefined
    parts = []
    size = 0
    return line
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(LINE_END); end !== -1; end = chunk.indexOf(LINE_END, start)) {
      add(chunk.subarray(start, end))
      yield take()
      start = end + 1
    }
    if (start < chunk.length) add(chunk.slice(start))
  }
  if (size > 0) yield take()
}

function jsonRow(line: number, text: string): ImportRow {
  let fields: unknown
  try {
    fields = JSON.parse(text)
  } catch {
    return { line, detail: 'Is no JSON.' }
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
    return { line, detail: 'Is no JSON object.' }
  const faults = faultsOfJson(fields)
  if (faults.length > 0)
    return { line, detail: faults.map(({ pointer, detail }) => `${pointer?.slice(1)}: ${detail}`).join(' ') }
  return { line, fields: { ...fields } }
}

async function* readCsv(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ImportRow, void, undefined> {
  let end: { readonly line: number; readonly detail: string } | undefined
  const parser = parse({
    // bytes, so that what is not UTF-8 is found row by row
    encoding: null,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_ROW_BYTES,
    // else an error would take along the rows before it that nobody has read yet
    skip_records_with_error: true,
    on_skip(error) {
      end ??= endOf(error)
      return undefined
    },
  })
  pipeline(Readable.from(withoutMark(chunks)), parser, () => undefined) // what fails comes out of the parser
  let columns: readonly string[] | undefined
  for await (const { record, info } of parser as AsyncIterable<{ record: Buffer[]; info: { lines: number } }>) {
    if (end !== undefined && info.lines >= end.line) break
    if (columns === undefined) columns = readHeader(record)
    else yield csvRow(info.lines, record, columns)
  }
  if (columns === undefined) throw noHeader(end?.detail ?? 'There is no line that names the columns.')
  if (end !== undefined) yield end
}

/** What ends a CSV: nobody can tell where the next row begins. */
function endOf(error: (CsvError & { readonly lines?: number }) | undefined): ImportRow & { readonly detail: string } {
  const detail = SYNTAX_FAULTS[error?.code ?? ''] ?? `Is no CSV: ${error?.code}.`
  return { line: error?.lines ?? 0, detail: `${detail} Nothing from here on was read.` }
}

const SYNTAX_FAULTS: Readonly<Record<string, string>> = {
  CSV_INVALID_CLOSING_QUOTE: 'Has text behind a closing quote.',
  CSV_QUOTE_NOT_CLOSED: 'Has a quote that is never closed.',
  CSV_MAX_RECORD_SIZE: TOO_LONG,
  INVALID_OPENING_QUOTE: 'Has a quote inside text that is not quoted.',
}

/** Spreadsheets put a byte order mark in front; csv-parse would answer text instead of bytes for it. */
async function* withoutMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let head: Buffer | undefined = Buffer.alloc(0)
  for await (const chunk of chunks) {
    if (head === undefined) {
      yield chunk
      continue
    }
    head = Buffer.concat([head, chunk])
    if (head.length < BYTE_ORDER_MARK.length) continue
    yield head.subarray(head.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0)
    head = undefined
  }
  if (head !== undefined) yield head
}

function readHeader(record: readonly Buffer[]): readonly string[] {
  const columns = record.map((cell) => decode(cell)?.trim() ?? '')
  for (const [index, column] of columns.entries()) {
    if (!CSV_COLUMNS.includes(column)) {
      const shown = JSON.stringify(column.slice(0, 64))
      throw noHeader(`There is no column ${shown}${didYouMean(column.slice(0, 64), CSV_COLUMNS) || '.'}`)
    }
    if (columns.indexOf(column) !== index) throw noHeader(`The column ${column} is there twice.`)
  }
  if (!columns.includes('token')) throw noHeader('The column token is missing.')
  return columns
}

function csvRow(line: number, record: readonly Buffer[], columns: readonly string[]): ImportRow {
  if (record.length !== columns.length) {
    return { line, detail: `Has ${record.length} columns, and the first line names ${columns.length}.` }
  }
  const fields: Record<string, unknown> = {}
  for (const [index, column] of columns.entries()) {
    const text = decode(record[index] as Buffer)
    if (text === undefined) return { line, detail: IS_UTF8 }
    if (text === '') continue
    if (column === 'attributes') {
      const row = jsonRow(line, text)
      if ('detail' in row) return { line, detail: `attributes: ${row.detail}` }
      fields[column] = row.fields
    } else fields[column] = column === 'badge' && /^-?\d{1,15}$/.test(text) ? Number(text) : text
  }
  return { line, fields }
}

function noHeader(detail: string): ApiError {
  return new ApiError('invalid-request', 'The first line of the CSV is refused; nothing was stored.', {
    errors: [{ line: 1, detail }],
  })
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
