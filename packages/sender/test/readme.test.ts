import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import { OWN_REASONS } from '../src/index.ts'

const README = readFileSync(new URL('../README.md', import.meta.url), 'utf8')

test.for(Object.entries(OWN_REASONS))('the README has the reason %s in the row of its kind', ([name, { kind }]) => {
  const row = README.split('\n').find(
    (line) => line.startsWith('| `') && line.includes(`\`${name}\``) && line.includes(`| \`${kind}\``),
  )
  expect(row).toBeDefined()
})

test.for(Object.values(OWN_REASONS))('$meaning: it has a remedy', ({ meaning, remedy }) => {
  expect([meaning, remedy].every((sentence) => /^[A-Z].*\.$/.test(sentence))).toBe(true)
})
