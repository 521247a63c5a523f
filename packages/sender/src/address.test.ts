import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { formatAddress, parseAddress } from './address.ts'

test.for([
  ['gateway.push.apple.com:2195', 'gateway.push.apple.com', 2195],
  ['localhost:1', 'localhost', 1],
  ['127.0.0.1:65535', '127.0.0.1', 65_535],
  ['[::1]:2195', '::1', 2195],
  ['[fe80::1:2]:80', 'fe80::1:2', 80],
] as const)('%s', ([text, host, port]) => {
  expect(parseAddress(text, 'gateway')).toEqual({ host, port })
  expect(formatAddress({ host, port })).toBe(text)
})

test.for([
  ['api.push.apple.com', { host: 'api.push.apple.com', port: 443 }],
  ['api.push.apple.com:2197', { host: 'api.push.apple.com', port: 2197 }],
  ['[::1]', { host: '::1', port: 443 }],
  ['127.0.0.1', { host: '127.0.0.1', port: 443 }],
] as const)('%s, where the port may be left out', ([text, address]) => {
  expect(parseAddress(text, 'provider', 443)).toEqual(address)
})

test('an international name is read as DNS has it', () => {
  expect(parseAddress('bücher.example:443', 'provider')).toEqual({ host: 'xn--bcher-kva.example', port: 443 })
})

test.for(['', ':443', 'host:', 'host:0', '::1', 'a b', 'https://host'])(
  '%j is refused with a default port, too',
  (text) => {
    expect(() => parseAddress(text, 'provider', 443)).toThrow(
      expect.objectContaining({ code: 'invalid-options', remedy: 'Give it as host or host:port.' }),
    )
  },
)

test.for([
  '',
  'host',
  'host:',
  ':80',
  'host:0',
  'host:65536',
  'host:-1',
  'host:8o',
  '::1:80',
  '[::1]',
  'a b:80',
  'a\0b:80',
  'http://host:80',
])('%j is refused, naming the option', (text) => {
  expect(() => parseAddress(text, 'gateway')).toThrow(
    expect.objectContaining({ code: 'invalid-options', message: `gateway is no address: ${JSON.stringify(text)}` }),
  )
})

/** Whether a text is read as what it says, or refused by code. */
function holds(text: string): boolean {
  try {
    const { host, port } = parseAddress(text, 'feedback')
    return Number(text.slice(text.lastIndexOf(':') + 1)) === port && text.includes(host)
  } catch (error) {
    return (error as { code?: string }).code === 'invalid-options'
  }
}

test('whatever text comes is an address, or refused', () => {
  const almost = fc.stringMatching(/^[[\]a-f0-9:.]{0,20}:[0-9]{1,6}$/)
  fc.assert(fc.property(fc.oneof(fc.string(), almost), holds))
})
