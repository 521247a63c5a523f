/** HPACK inwards, with the table that the peer fills (RFC 7541). The first bytes of fields are in hpack-encoder.ts. */
import { connectionError } from './connection-error.ts'
import { DynamicTable, ENTRY_OVERHEAD_BYTES } from './dynamic-table.ts'
import { HTTP2_ERROR } from './frame.ts'
import { readName } from './header-names.ts'
import { huffmanDecode, maxDecodedBytes } from './huffman.ts'
import { STATIC_TABLE } from './static-table.ts'

/** Who hears of the fields of a header block, in their order. */
export interface HeaderSink {
  /**
   * @param name a character per byte, as it came; names of the static table and those of APNs are always the same string
   * @param bytes the value's, from `start` up to `end`: valid during the call alone, and never to be written to
   */
  field(name: string, bytes: Uint8Array, start: number, end: number): void
}

export interface HpackDecoderOptions {
  /** SETTINGS_HEADER_TABLE_SIZE as told to the peer, in bytes by the count of RFC 7541. Default 4,096. */
  readonly maxTableBytes?: number
  /** Bound of the fields of a block: their names, values and 32 bytes each. Default 16,384. */
  readonly maxHeaderListBytes?: number
}

const STATIC_ENTRIES = STATIC_TABLE.length
const STATIC_NAMES: readonly string[] = STATIC_TABLE.map(([name]) => name)
/** The values of the static table in one array, and where each begins; it ends where the next one begins. */
const STATIC_VALUES = Uint8Array.from(STATIC_TABLE.map(([, value]) => value).join(''), (character) =>
  character.charCodeAt(0),
)
const STATIC_STARTS = new Uint32Array(STATIC_ENTRIES + 1)
for (const [index, [, value]] of STATIC_TABLE.entries()) STATIC_STARTS[index + 1] = STATIC_STARTS[index]! + value.length

/** What every table begins with, unless it may not; a larger one begins with a size update. */
const DEFAULT_TABLE_BYTES = 4096
/** Bytes of an integer behind its prefix: 28 bits, far more than any index or length here. */
const MAX_INTEGER_BYTES = 4
const NO_BYTES = new Uint8Array(0)

/** Reads the header blocks of one connection, in the order in which they came: each may change the table. */
export class HpackDecoder {
  readonly #maxHeaderListBytes: number
  readonly #table: DynamicTable
  #maxTableBytes: number
  /** After the bound sank below the table: what the next block must first bring the table down to. */
  #owedTableBytes: number | undefined
  /** Where Huffman strings are decoded to. */
  #scratch = NO_BYTES
  /** Where reading goes on, and the string that was read last. */
  #at = 0
  #bytes: Uint8Array = NO_BYTES
  #start = 0
  #end = 0
  #broken: { readonly error: unknown } | undefined

  constructor({ maxTableBytes = DEFAULT_TABLE_BYTES, maxHeaderListBytes = 16_384 }: HpackDecoderOptions = {}) {
    this.#maxHeaderListBytes = maxHeaderListBytes
    this.#maxTableBytes = maxTableBytes
    this.#table = new DynamicTable(Math.min(maxTableBytes, DEFAULT_TABLE_BYTES))
  }

  /** Size of the dynamic table in bytes, by the count of RFC 7541. */
  get tableBytes(): number {
    return this.#table.bytes
  }

  /**
   * Changes SETTINGS_HEADER_TABLE_SIZE: call it when the peer acknowledges the settings. A lower one obliges the peer
   * to shrink the table at the start of its next block.
   */
  setMaxTableBytes(bytes: number): void {
    this.#maxTableBytes = bytes
    if (bytes < this.#table.capacity) this.#owedTableBytes = Math.min(bytes, this.#owedTableBytes ?? bytes)
  }

  /**
   * Reads the header block from `start` up to `end` and tells `sink` of its fields.
   *
   * @throws ProtocolError `http2-connection-error`: COMPRESSION_ERROR, or ENHANCE_YOUR_CALM where the fields have more
   *   than `maxHeaderListBytes`. After this, and after an error that the sink itself throws, the table is unknown, and
   *   every later call throws the same one.
   */
  decode(bytes: Uint8Array, start: number, end: number, sink: HeaderSink): void {
    if (this.#broken !== undefined) throw this.#broken.error
    try {
      this.#readBlock(bytes, start, end, sink)
    } catch (error) {
      this.#broken = { error }
      throw error
    }
  }

  #readBlock(bytes: Uint8Array, start: number, end: number, sink: HeaderSink): void {
    let left = this.#maxHeaderListBytes
    this.#at = this.#readSizeUpdates(bytes, start, end)
    while (this.#at < end) {
      const first = bytes[this.#at]!
      const size = first >= 0x80 ? this.#readIndexed(bytes, end, sink) : this.#readLiteral(bytes, end, first, sink)
      left -= size
      if (left < 0)
        throw connectionError(
          HTTP2_ERROR.ENHANCE_YOUR_CALM,
          `the header fields of an answer have more than ${this.#maxHeaderListBytes} bytes`,
        )
    }
  }

  #readSizeUpdates(bytes: Uint8Array, start: number, end: number): number {
    this.#at = start
    while (this.#at < end && (bytes[this.#at]! & 0xe0) === 0x20) {
      const capacity = this.#readInteger(bytes, end, 0x1f)
      if (capacity > this.#maxTableBytes)
        throw compressionError(`a size update to ${capacity} bytes, at most ${this.#maxTableBytes} are allowed`)
      this.#table.resize(capacity)
      if (this.#owedTableBytes !== undefined && capacity <= this.#owedTableBytes) this.#owedTableBytes = undefined
    }
    if (this.#owedTableBytes !== undefined && this.#at < end)
      throw compressionError(`the table was not brought down to ${this.#owedTableBytes} bytes`)
    return this.#at
  }

  /** Answers what the field counts in the list. */
  #readIndexed(bytes: Uint8Array, end: number, sink: HeaderSink): number {
    const index = this.#readInteger(bytes, end, 0x7f)
    const entry = index - 1
    if (entry < STATIC_ENTRIES) {
      if (entry < 0) throw compressionError('index 0 of the tables')
      const name = STATIC_NAMES[entry]!
      const from = STATIC_STARTS[entry]!
      const to = STATIC_STARTS[entry + 1]!
      sink.field(name, STATIC_VALUES, from, to)
      return name.length + to - from + ENTRY_OVERHEAD_BYTES
    }
    const table = this.#table
    const dynamic = entry - STATIC_ENTRIES
    if (dynamic >= table.count) throw noSuchEntry(index)
    const name = table.nameOf(dynamic)
    const from = table.startOf(dynamic)
    const to = table.endOf(dynamic)
    sink.field(name, table.values, from, to)
    return name.length + to - from + ENTRY_OVERHEAD_BYTES
  }

  #readLiteral(bytes: Uint8Array, end: number, first: number, sink: HeaderSink): number {
    if ((first & 0xe0) === 0x20) throw compressionError('a size update behind a field')
    const isIndexed = first >= 0x40
    const index = this.#readInteger(bytes, end, isIndexed ? 0x3f : 0x0f)
    let name: string
    if (index === 0) {
      this.#readString(bytes, end)
      name = readName(this.#bytes, this.#start, this.#end)
    } else name = this.#nameAt(index)
    this.#readString(bytes, end)
    const from = this.#start
    const to = this.#end
    if (isIndexed) this.#table.add(name, this.#bytes, from, to)
    sink.field(name, this.#bytes, from, to)
    return name.length + to - from + ENTRY_OVERHEAD_BYTES
  }

  #nameAt(index: number): string {
    if (index <= STATIC_ENTRIES) return STATIC_NAMES[index - 1]!
    const dynamic = index - 1 - STATIC_ENTRIES
    if (dynamic >= this.#table.count) throw noSuchEntry(index)
    return this.#table.nameOf(dynamic)
  }

  #readString(bytes: Uint8Array, end: number): void {
    if (this.#at >= end) throw truncated()
    const isHuffman = bytes[this.#at]! >= 0x80
    const length = this.#readInteger(bytes, end, 0x7f)
    const start = this.#at
    if (length > end - start) throw truncated()
    this.#at = start + length
    if (!isHuffman) {
      this.#bytes = bytes
      this.#start = start
      this.#end = this.#at
      return
    }
    const room = maxDecodedBytes(length) + 1
    if (this.#scratch.length < room) this.#scratch = new Uint8Array(Math.max(256, 2 * room))
    this.#end = huffmanDecode(bytes, start, this.#at, this.#scratch)
    this.#start = 0
    this.#bytes = this.#scratch
  }

  /** Reads the integer at `#at`, of whose first byte `mask` are the prefix's bits (RFC 7541, section 5.1). */
  #readInteger(bytes: Uint8Array, end: number, mask: number): number {
    let value = bytes[this.#at++]! & mask
    if (value < mask) return value
    for (let shift = 0; shift < 7 * MAX_INTEGER_BYTES; shift += 7) {
      if (this.#at >= end) throw truncated()
      const byte = bytes[this.#at++]!
      value += (byte & 127) << shift
      if (byte < 128) return value
    }
    throw compressionError(`an integer of more than ${MAX_INTEGER_BYTES} bytes behind its prefix`)
  }
}

function compressionError(message: string): Error {
  return connectionError(HTTP2_ERROR.COMPRESSION_ERROR, `in a header block: ${message}`)
}

function noSuchEntry(index: number): Error {
  return compressionError(`index ${index} of the tables, which is empty`)
}

function truncated(): Error {
  return compressionError('it ends inside a field')
}
