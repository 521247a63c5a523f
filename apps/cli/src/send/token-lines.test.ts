import { Readable } from 'node:stream'

import { expect, test } from 'vitest'

import type { InputFault } from '../errors.ts'
import { readTokenLines } from './token-lines.ts'

async function read(
  chunks: readonly (string | Buffer)[],
): Promise<{ tokens: string[]; faults: InputFault[]; arrays: number }> {
  const faults: InputFault[] = []
  const tokens: string[] = []
  let arrays = 0
  for await (const batch of readTokenLines(Readable.from(chunks, { objectMode: false }), (fault) =>
    faults.push(fault),
  )) {
    tokens.push(...batch)
    arrays++
  }
  return { tokens, faults, arrays }
}

const text = 'AABB\r\n\n<cc dd>\nee\nxyz\n  \nff00'

test('wherever the stream is cut, tokens and line numbers are the same', async () => {
  for (let cut = 0; cut <= text.length; cut++) {
    const { tokens, faults } = await read([text.slice(0, cut), text.slice(cut)].filter((chunk) => chunk !== ''))
    expect(tokens).toEqual(['aabb', 'ccdd', 'ee', 'ff00'])
    expect(faults).toEqual([{ flag: '--to', line: 5, detail: expect.stringContaining('xyz') }])
  }
})

test('a chunk of the stream is an array of tokens', async () => {
  expect(await read(['aa\nbb\n', 'cc\n'])).toEqual({ tokens: ['aa', 'bb', 'cc'], faults: [], arrays: 2 })
})

test('a line without an end is refused, and not kept whole', async () => {
  const chunk = 'a'.repeat(65_536)
  const { tokens, faults } = await read([...Array.from({ length: 100 }, () => chunk), '\naa'])
  expect(tokens).toEqual(['aa'])
  expect(faults).toEqual([{ flag: '--to', line: 1, detail: expect.stringContaining('at most 100 bytes') }])
})

test('an empty stream gives nothing', async () => {
  expect(await read([])).toEqual({ tokens: [], faults: [], arrays: 0 })
})
