import type { FrameSink } from '../src/http2/frame-decoder.ts'
import { http2ErrorName } from '../src/http2/frame.ts'
import { hexOf } from './vectors.ts'

/** Writes down what a frame decoder tells, a line for each call, bytes as hex. */
export class FrameLog implements FrameSink {
  readonly lines: string[] = []

  headers(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.#tell('HEADERS', stream, endStream && 'END', hexOf(bytes.subarray(start, end)))
  }

  data(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number, flowBytes: number): void {
    this.#tell('DATA', stream, endStream && 'END', hexOf(bytes.subarray(start, end)), `flow ${flowBytes}`)
  }

  rstStream(stream: number, code: number): void {
    this.#tell('RST_STREAM', stream, http2ErrorName(code))
  }

  setting(id: number, value: number): void {
    this.#tell('setting', id, value)
  }

  settingsEnd(): void {
    this.#tell('SETTINGS')
  }

  settingsAck(): void {
    this.#tell('SETTINGS ACK')
  }

  ping(ack: boolean, bytes: Uint8Array, start: number): void {
    this.#tell('PING', ack && 'ACK', hexOf(bytes.subarray(start, start + 8)))
  }

  goaway(lastStream: number, code: number, bytes: Uint8Array, start: number, end: number): void {
    this.#tell('GOAWAY', lastStream, http2ErrorName(code), hexOf(bytes.subarray(start, end)))
  }

  windowUpdate(stream: number, increment: number): void {
    this.#tell('WINDOW_UPDATE', stream, increment)
  }

  streamError(stream: number, code: number, message: string): void {
    this.#tell('stream error', stream, http2ErrorName(code), message)
  }

  #tell(...words: readonly (string | number | false)[]): void {
    this.lines.push(words.filter((word) => word !== false && word !== '').join(' '))
  }
}
