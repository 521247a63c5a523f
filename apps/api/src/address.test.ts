import { expect, test } from 'vitest'

import { ClientAddresses, networkOf } from './address.ts'

const addresses = new ClientAddresses(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'])

test.for([
  ['no proxy: the peer', '203.0.113.9', undefined, '203.0.113.9'],
  ['a peer that is not trusted: the header is nothing', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
  ['a trusted proxy: what it saw', '10.0.0.1', '198.51.100.1', '198.51.100.1'],
  ['two of them: what the outer one saw', '10.0.0.1', '198.51.100.1, 192.0.2.7', '198.51.100.1'],
  ['what the client made up stands further left', '10.0.0.1', '1.2.3.4, 198.51.100.1', '198.51.100.1'],
  ['a proxy without the header', '10.0.0.1', undefined, '10.0.0.1'],
  ['only proxies', '10.0.0.1', '10.0.0.2', '10.0.0.2'],
  ['no address in it', '10.0.0.1', 'unknown', '10.0.0.1'],
  ['IPv4 shown as IPv6', '::ffff:10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
  ['IPv6', 'fd00::1', '2001:db8::5', '2001:db8::5'],
  ['with a port', '10.0.0.1', '198.51.100.1:4711', '198.51.100.1'],
  ['IPv6 with a port', '10.0.0.1', '[2001:db8::5]:4711', '2001:db8::5'],
] as const)('%s', ([, peer, header, address]) => expect(addresses.find(peer, header).address).toBe(address))

test.for([
  ['203.0.113.9', '198.51.100.1', true],
  ['203.0.113.9', undefined, false],
  ['10.0.0.1', '198.51.100.1', false],
] as const)('from %s the header %s is ignored: %s', ([peer, header, ignored]) =>
  expect(addresses.find(peer, header).ignored).toBe(ignored),
)

test.for([
  ['198.51.100.1', '198.51.100.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:DB8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['', ''],
] as const)('%s counts as %s', ([address, network]) => expect(networkOf(address)).toBe(network))
