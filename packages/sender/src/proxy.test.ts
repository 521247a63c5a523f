import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { parseProxy } from './proxy.ts'

const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

test.for([
  ['http://proxy.example.com:3128', { host: 'proxy.example.com', port: 3128, authorization: undefined }],
  ['http://proxy.example.com', { host: 'proxy.example.com', port: 80, authorization: undefined }],
  ['http://10.0.0.1:8080/', { host: '10.0.0.1', port: 8080, authorization: undefined }],
  ['http://[::1]:3128', { host: '::1', port: 3128, authorization: undefined }],
  ['http://me:secret@proxy:1', { host: 'proxy', port: 1, authorization: basic('me:secret') }],
  ['http://me@proxy:1', { host: 'proxy', port: 1, authorization: basic('me:') }],
  ['http://m%40e:p%3A%2f%25@proxy:1', { host: 'proxy', port: 1, authorization: basic('m@e:p:/%') }],
  ['http://ü:pä€s@proxy:1', { host: 'proxy', port: 1, authorization: basic('ü:pä€s') }],
] as const)('%s', ([text, proxy]) => {
  expect(parseProxy(text)).toEqual(proxy)
})

test.for([
  '',
  'proxy:3128',
  'proxy.example.com',
  'https://proxy:3128',
  'socks5://proxy:1080',
  'http://',
  'http://proxy:0',
  'http://proxy:65536',
  'http://proxy:3128/path',
  'http://proxy:3128?a=b',
  'http://proxy:3128/#a',
  'http://a%3Ab:c@proxy:3128',
  'http://me:100%@proxy:3128',
])('%j is refused', (text) => {
  expect(() => parseProxy(text)).toThrow(expect.objectContaining({ code: 'invalid-options', name: 'SenderError' }))
})

/** What a refusal shows of a text; empty where it is read. */
function shown(text: string): string {
  try {
    parseProxy(text)
    return ''
  } catch (error) {
    const { code, message, remedy, cause } = error as Error & { code: string; remedy: string }
    expect(code).toBe('invalid-options')
    return `${message} ${remedy} ${String(cause)}`
  }
}

test('whatever text comes is read or refused, and a refusal never repeats a password', () => {
  const password = '7f3c9d'
  const around = fc.tuple(fc.string(), fc.constantFrom('', '/', '%', '#', ':', '@'), fc.string())
  const law = ([before, odd, behind]: [string, string, string]): boolean =>
    !shown(`${before}${password}${odd}@${behind}`).includes(password) &&
    !shown(`http://me:${password}${odd}@${behind}`).includes(password)
  fc.assert(fc.property(around, law))
})
