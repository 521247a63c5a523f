import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import { expect, test } from 'vitest'

test('the example of the README does what it says', async () => {
  const folder = new URL('..', import.meta.url)
  const readme = readFileSync(new URL('README.md', folder), 'utf8')
  const examples = [...readme.matchAll(/^```js\n(.*?)^```$/gms)]
  expect(examples).toHaveLength(1)
  // In the package's folder its own name is its own sources.
  const words = ['--conditions=lhspn-source', '--import', import.meta.resolve('tsx'), '--input-type=module', '-']
  const child = spawn(process.execPath, words, { cwd: fileURLToPath(folder) })
  child.stdin.end(examples[0]?.[1])
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
  expect(stdout).toContain('quince')
})
