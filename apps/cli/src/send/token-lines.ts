import type { Readable } from 'node:stream'

import { parseDeviceToken } from '@lhspn/apns-protocol'

import type { InputFault } from '../errors.ts'

/** No spelling of a token comes near; a longer line is refused without being kept. */
const MAX_LINE_CHARACTERS = 4096

/**
 * Reads device tokens from a stream, one a line, any number: what is held is one chunk of the stream. Empty lines mean
 * nothing. A line that is no token is told to `onFault`, with its number, and skipped.
 * @param onFault its line from 1, and why
 * @returns arrays of tokens as lowercase hex, as they come
 */
export async function* readTokenLines(
  stream: Readable,
  onFault: (fault: InputFault) => void,
): AsyncGenerator<readonly string[], void, undefined> {
  const lines = new LineReader()
  let number = 0
  const tokensOf = (texts: readonly string[]): string[] => {
    const tokens: string[] = []
    for (const text of texts) {
      number++
      if (text.trim() === '') continue
      try {
        tokens.push(parseDeviceToken(text))
      } catch (error) {
        onFault({ flag: '--to', line: number, detail: error instanceof Error ? error.message : String(error) })
      }
    }
    return tokens
  }
  stream.setEncoding('utf8')
  for await (const chunk of stream) {
    const tokens = tokensOf(lines.push(String(chunk)))
    if (tokens.length > 0) yield tokens
  }
  const last = tokensOf(lines.end())
  if (last.length > 0) yield last
}

/** Cuts text into lines, wherever its chunks are cut. Holds one line at most, and of that only its beginning. */
class LineReader {
  #rest = ''

  push(chunk: string): string[] {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE_CHARACTERS)
    return lines
  }

  end(): string[] {
    return this.#rest === '' ? [] : [this.#rest]
  }
}
