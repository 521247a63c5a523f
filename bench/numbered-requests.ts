import { HpackDecoder } from '@lhspn/apns-protocol/http2'

import type { Handler, RawConnection } from './raw-http2.ts'

/** Digits at the end of a device token that are the number of its device, or of the notification. */
const DIGITS = 8
const [ZERO, NINE, LOWER_A] = [0x30, 0x39, 0x61]

/** The requests of one connection, whose device tokens are read. */
export class NumberedRequests implements Handler {
  readonly #take: (number: number, stream: number, connection: RawConnection) => void
  readonly #headers = new HpackDecoder()
  /** Of the streams whose request is not whole. */
  readonly #numbers = new Map<number, number>()
  #number = -1

  constructor(take: (number: number, stream: number, connection: RawConnection) => void) {
    this.#take = take
  }

  headers(stream: number, bytes: Uint8Array, start: number, end: number): void {
    this.#headers.decode(bytes, start, end, this)
    this.#numbers.set(stream, this.#number)
  }

  field(name: string, bytes: Uint8Array, _start: number, end: number): void {
    if (name === ':path') this.#number = hexNumber(bytes, end - DIGITS, end)
  }

  request(stream: number, connection: RawConnection): void {
    const number = this.#numbers.get(stream) ?? -1
    this.#numbers.delete(stream)
    this.#take(number, stream, connection)
  }
}

function hexNumber(bytes: Uint8Array, start: number, end: number): number {
  let number = 0
  for (let at = start; at < end; at++) {
    const digit = bytes[at] as number
    number = number * 16 + (digit <= NINE ? digit - ZERO : digit - LOWER_A + 10)
  }
  return number
}
