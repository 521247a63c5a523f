// Every runtime has it, but it belongs to no version of the language, and this package compiles without Node's types.
declare const TextEncoder: new () => { encode(text: string): Uint8Array }

const ENCODER = new TextEncoder()

/** UTF-8 bytes of `text`, a new array each time. */
export function toUtf8(text: string): Uint8Array {
  return ENCODER.encode(text)
}
