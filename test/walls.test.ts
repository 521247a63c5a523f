import { readdirSync, readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

/** What each package may be built on: the picture in docs/architecture.md, as data. */
const ALLOWED: Record<string, readonly string[]> = {
  'packages/apns-protocol': [],
  'packages/apns-simulator': ['@lhspn/apns-protocol'],
  'packages/database': [],
  'packages/device-store': ['@lhspn/apns-protocol', '@lhspn/database'],
  'packages/dispatcher': ['@lhspn/apns-protocol', '@lhspn/database', '@lhspn/device-store', '@lhspn/sender'],
  'packages/sender': ['@lhspn/apns-protocol'],
  'packages/service': [
    '@lhspn/apns-protocol',
    '@lhspn/database',
    '@lhspn/device-store',
    '@lhspn/dispatcher',
    '@lhspn/sender',
  ],
  'packages/test-servers': [],
  'apps/api': ['@lhspn/apns-protocol', '@lhspn/device-store', '@lhspn/dispatcher', '@lhspn/sender', '@lhspn/service'],
  'apps/cli': [
    '@lhspn/api',
    '@lhspn/apns-protocol',
    '@lhspn/apns-simulator',
    '@lhspn/device-store',
    '@lhspn/dispatcher',
    '@lhspn/sender',
    '@lhspn/service',
  ],
}

interface Manifest {
  readonly dependencies?: Record<string, string>
}

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

const packages = ['packages', 'apps'].flatMap((top) =>
  readdirSync(new URL(`../${top}`, import.meta.url)).map((name) => `${top}/${name}`),
)

test('every package stands in the picture', () => {
  expect(packages.toSorted()).toEqual(Object.keys(ALLOWED).toSorted())
})

test.for(packages)('%s is built on nothing but what the picture allows', (path) => {
  const { dependencies = {} } = JSON.parse(read(`${path}/package.json`)) as Manifest
  const own = Object.keys(dependencies).filter((name) => name.startsWith('@lhspn/'))
  expect(ALLOWED[path]).toEqual(expect.arrayContaining(own))
})

test('apns-protocol has no dependencies at all', () => {
  const { dependencies } = JSON.parse(read('packages/apns-protocol/package.json')) as Manifest
  expect(dependencies).toBeUndefined()
})
