// Every runtime has both, but they belong to no version of the language, and this package compiles without Node's types.
declare const TextEncoder: new () => { encode(text: string): Uint8Array }
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string }

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder()

/** UTF-8 bytes of `text`, a new array each time. */
export function toUtf8(text: string): Uint8Array {
  return ENCODER.encode(text)
}

/** Text of UTF-8 bytes; what is no UTF-8 becomes U+FFFD. */
export function fromUtf8(bytes: Uint8Array): string {
  return DECODER.decode(bytes)
}
