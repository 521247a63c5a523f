// Every runtime has both, but they belong to no version of the language, and this package compiles without Node's types.
declare const TextEncoder: new () => {
  encode(text: string): Uint8Array
  encodeInto(text: string, into: Uint8Array): object
}
declare const TextDecoder: new () => { decode(bytes: Uint8Array): string }

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder()

/** UTF-8 bytes of `text`, a new array each time. */
export function toUtf8(text: string): Uint8Array {
  return ENCODER.encode(text)
}

/** Writes as many of the UTF-8 bytes of `text` as `into` has room for. */
export function encodeUtf8Into(text: string, into: Uint8Array): void {
  ENCODER.encodeInto(text, into)
}

/** Text of UTF-8 bytes; what is no UTF-8 becomes U+FFFD. */
export function fromUtf8(bytes: Uint8Array): string {
  return DECODER.decode(bytes)
}
