import { expect } from 'vitest'

import type { DeviceStore, FindQuery, Filter } from '../src/index.ts'
import { pairOf } from '../src/pair.ts'

export const APP = 'com.example.app'

/** A device token for a number. */
export const token = (n: number): string => n.toString(16).padStart(64, '0')

/** Tokens of all devices found. */
export async function tokensOf(store: DeviceStore, query: Partial<FindQuery> = {}): Promise<readonly string[]> {
  const tokens: string[] = []
  for await (const devices of store.find({ app: APP, ...query })) tokens.push(...devices.map((device) => device.token))
  return tokens
}

/** Tokens that a push would reach. */
export async function audienceOf(store: DeviceStore, filter?: Filter): Promise<readonly string[]> {
  const tokens: string[] = []
  for await (const page of store.findTokens({ app: APP, environment: 'production', filter }))
    tokens.push(...page.map((each) => each.token))
  return tokens
}

/** What is listed for searches is what the devices have: no more, no less. */
export async function expectPairsMatch({ database }: DeviceStore): Promise<void> {
  const devices = await database.query<{ id: number; app_id: number; attributes: string }>(
    'SELECT id, app_id, attributes FROM device',
  )
  const due = devices.flatMap(({ id, app_id: appId, attributes }) =>
    Object.entries(JSON.parse(attributes) as Record<string, string>).map(
      ([key, value]) => `${pairOf(appId, key, value)} ${id}`,
    ),
  )
  const listed = await database.query<{ pair: string; id: number }>(
    'SELECT CAST(pair AS CHAR) AS pair, device_id AS id FROM device_attribute',
  )
  expect(new Set(listed.map(({ pair, id }) => `${pair} ${id}`))).toEqual(new Set(due))
}
