import { readFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { runBench } from './run-bench.ts'

test('faults: what comes of each, to us and to the peers, is what the README says', async () => {
  const [table = '', verdict] = (await runBench('faults.ts')).split(/\n(?=right)/)
  expect(verdict).toContain('none was taken twice')
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8')
  const [head, , ...rows] = cellsBelow('## How it compares', readme)
  expect(table.split('\n').map((line) => line.split(/ {2,}/))).toEqual([head, ...rows])
})

/** The rows of the first table below a heading, as plain text. */
function cellsBelow(heading: string, markdown: string): string[][] {
  const [table = ''] = /(^\|.*\n)+/m.exec(markdown.slice(markdown.indexOf(heading))) ?? []
  const plain = table.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1').replaceAll('`', '')
  const lines = plain.trimEnd().split('\n')
  return lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}
