import { readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

const PACKAGE = '@lhspn/apns-simulator'

test('the example of the README does what it says', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
  const [, example = ''] = /```js\n([^]*?)```/.exec(readme) ?? []
  expect(example).toContain(PACKAGE)
  const printed: unknown[] = []
  const load = (name: string): Promise<unknown> => (name === PACKAGE ? import('../src/index.ts') : import(name))
  const body = example.replaceAll(/^import (\w+) from '(.+)'$/gm, "const $1 = (await load('$2')).default")
  const program = body.replaceAll(/^import (\{.+\}) from '(.+)'$/gm, "const $1 = await load('$2')")
  await new AsyncFunction('load', 'console', program)(load, { log: (...values: unknown[]) => printed.push(...values) })
  expect(printed).toEqual([410])
})

/** A function made from text is the one way to run the example against the sources, without a build. */
const AsyncFunction = async function example() {}.constructor as new (
  ...parts: string[]
) => (load: (name: string) => Promise<unknown>, console: { log(...values: unknown[]): void }) => Promise<void>
