import { expect, test } from 'vitest'

import { createLogger, type LoggerOptions } from './logger.ts'

const token = '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb9aff'

function logged(options: Partial<LoggerOptions>, fields: object, level: 'info' | 'debug' = 'info'): string {
  let text = ''
  const stream = { write: (chunk: string) => void (text += chunk) }
  createLogger({ level: 'info', format: 'auto', isTerminal: false, stream, ...options })[level](fields, 'sent')
  return text
}

test('writes a JSON object a line: time, level, msg and the fields', () => {
  expect(JSON.parse(logged({}, { app: 'com.example.app' }))).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    level: 'info',
    app: 'com.example.app',
    msg: 'sent',
  })
})

test('shortens device tokens, at the top and one level below', () => {
  const text = logged({}, { token, notification: { token } })
  expect(text).not.toContain(token)
  expect(text.match(/740f47…9aff/g)).toHaveLength(2)
})

test('redacts secrets, at the top and one level below', () => {
  expect(logged({}, { passphrase: 'hush', app: { key: 'hush', topic: 'a.b' } })).not.toContain('hush')
})

test.for([
  { format: 'auto', isTerminal: true, isText: true },
  { format: 'auto', isTerminal: false, isText: false },
  { format: 'text', isTerminal: false, isText: true },
  { format: 'json', isTerminal: true, isText: false },
] as const)('format $format, terminal $isTerminal: text $isText', ({ format, isTerminal, isText }) => {
  const text = logged({ format, isTerminal }, { app: 'com.example.app', token })
  expect(text.startsWith('{')).toBe(!isText)
  expect(text).toContain('740f47…9aff')
})

test('is silent below its level', () => expect(logged({}, {}, 'debug')).toBe(''))
