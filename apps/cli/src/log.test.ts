import { Writable } from 'node:stream'

import { expect, test } from 'vitest'

import type { Context } from './context.ts'
import { openLog } from './log.ts'
import { Output } from './output.ts'

/** A log, and what it has made somebody read on stderr. */
function logTo(options: { readonly json?: boolean } = {}) {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString()
      done()
    },
  })
  const output = new Output({ stdout: stream, stderr: stream, json: false, quiet: false, colour: false, ...options })
  const log = openLog({ log: { level: 'info', format: 'auto' } }, { output } as Context)
  return { log, read: () => text }
}

test('trouble becomes a note, each text once; all else is not told', () => {
  const { log, read } = logTo()
  log.info('listening')
  for (let times = 0; times < 3; times++) log.warn({ err: new Error('the gateway is away') }, 'connection failed')
  log.warn('nothing was read')
  log.warn({ push: 'psh_1', outcome: 'rejected' }, 'notification: not accepted')
  expect(read()).toBe('the gateway is away. Trying on.\nnothing was read. Trying on.\n')
})

test('with --json nothing is told: stderr has problem objects alone', () => {
  const { log, read } = logTo({ json: true })
  log.warn({ err: new Error('the gateway is away') }, 'connection failed')
  expect(read()).toBe('')
})
