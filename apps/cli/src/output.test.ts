import { Writable } from 'node:stream'

import { expect, test } from 'vitest'

import { CommandError } from './errors.ts'
import { alignColumns, Output, type OutputOptions } from './output.ts'

/** Collects what is written, as a terminal or not. */
class Screen extends Writable {
  readonly isTTY: boolean
  text = ''

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

function outputOn(isTTY: boolean, options: Partial<OutputOptions> = {}) {
  const stdout = new Screen(isTTY)
  const stderr = new Screen(isTTY)
  return { stdout, stderr, output: new Output({ stdout, stderr, json: false, quiet: false, colour: true, ...options }) }
}

const error = new CommandError('invalid-input', 'bad flag', 'Correct it.', { faults: [{ flag: '--to', detail: 'x' }] })

test.for([
  { name: 'a pipe', isTTY: false, options: {}, colours: false, progress: false },
  { name: 'a terminal', isTTY: true, options: {}, colours: true, progress: true },
  { name: 'a terminal without colours', isTTY: true, options: { colour: false }, colours: false, progress: true },
  { name: '--quiet on a terminal', isTTY: true, options: { quiet: true }, colours: true, progress: false },
])('on $name: colours $colours, progress $progress', ({ isTTY, options, colours, progress }) => {
  const { stderr, output } = outputOn(isTTY, options)
  output.progress(() => '5 / 10')
  expect(stderr.text.includes('5 / 10')).toBe(progress)
  output.fail(error)
  expect(stderr.text.includes('\u001b[31merror:\u001b[39m')).toBe(colours)
  expect(output.paint('bold', 'x') === 'x').toBe(!colours)
})

test('progress is rewritten at most ten times a second, and gone before anything else is said', () => {
  const { stderr, output } = outputOn(true, { colour: false })
  output.progress(() => 'one')
  output.progress(() => 'two')
  output.note('done')
  expect(stderr.text).toBe('\r\u001b[Kone\r\u001b[Kdone\n')
})

test('--json: stderr has problem objects alone', async () => {
  const { stdout, stderr, output } = outputOn(false, { json: true })
  output.note('a remark')
  output.warn('a doubt')
  output.fault({ flag: '--to', line: 2, detail: 'no token' })
  output.fail(error)
  await output.printJson({ a: 1 }, { b: 2 })
  expect(stdout.text).toBe('{"a":1}\n{"b":2}\n')
  expect(
    stderr.text
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
  ).toEqual([
    {
      type: '/problems/invalid-request',
      title: 'The request is not valid',
      status: 400,
      detail: 'no token',
      errors: [{ flag: '--to', line: 2, detail: 'no token' }],
    },
    {
      type: '/problems/invalid-request',
      title: 'The request is not valid',
      status: 400,
      code: 'invalid-input',
      detail: 'bad flag',
      remedy: 'Correct it.',
      errors: [{ flag: '--to', detail: 'x' }],
    },
  ])
})

test('what nobody foresaw asks for a report', () => {
  const { stderr, output } = outputOn(false)
  output.fail(new TypeError('x is undefined'))
  expect(stderr.text).toMatch(/^error: TypeError: x is undefined\n[\s\S]*Please report it/)
})

test('--quiet has no notes', () => {
  const { stderr, output } = outputOn(false, { quiet: true })
  output.note('a remark')
  output.warn('a doubt')
  expect(stderr.text).toBe('')
})

test('numbers stand to the right, unless their column holds words too', () => {
  const rows = [
    ['name', 'count', 'value'],
    ['a', '1,000', '5'],
    ['bcd', '7', 'x'],
  ]
  expect(alignColumns(rows)).toEqual(['name  count  value', 'a     1,000  5', 'bcd       7  x'])
})

test('a text that ends its row makes no column wider', () => {
  const rows = [
    ['  rejected', '1', 'InvalidToken 1', 'lhspn explain InvalidToken'],
    ['  refused devices', '12', 'audiences skip them until they register again'],
  ]
  expect(alignColumns(rows)).toEqual([
    '  rejected          1  InvalidToken 1  lhspn explain InvalidToken',
    '  refused devices  12  audiences skip them until they register again',
  ])
})
