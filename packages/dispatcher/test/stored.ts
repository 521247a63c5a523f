import { setTimeout as delay } from 'node:timers/promises'

import type { DeviceStore } from '@lhspn/device-store'
import { expect, onTestFinished } from 'vitest'

import { decodeMembers } from '../src/chunk-members.ts'
import { Dispatcher, type DispatcherOptions } from '../src/dispatcher.ts'
import { parsePushRequest } from '../src/parse-push.ts'
import { plan } from '../src/plan.ts'
import type { StoredPush } from '../src/push.ts'

export const APP = 'com.example.app'
export const NEVER = new AbortController().signal
export const token = (number: number): string => number.toString(16).padStart(64, '0')
export const tokens = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => token(from + index))
export const request = (more: object = {}) =>
  parsePushRequest(
    { app: APP, audience: { all: true }, payload: { aps: { alert: 'Hi' } }, ...more },
    { now: Date.now() },
  )

export async function register(store: DeviceStore, list: readonly string[], more: object = {}): Promise<void> {
  await store.save(list.map((each) => ({ app: APP, token: each, environment: 'production' as const, ...more })))
}

/** A dispatcher that has no sender: what is leased is none of these tests' concern. */
export function dispatcherOf(store: DeviceStore, options: Partial<DispatcherOptions> = {}): Dispatcher {
  const dispatcher = new Dispatcher({
    store,
    senderFor: () => {
      throw new Error('nothing is sent')
    },
    ...options,
  })
  onTestFinished(() => dispatcher.close())
  return dispatcher
}

interface ChunkRow {
  readonly seq: number
  readonly size: number
  readonly members: Uint8Array
}

/** Members of each chunk: tokens, or the tokens of ids. */
export async function chunksOf(store: DeviceStore, { number }: StoredPush): Promise<readonly (readonly string[])[]> {
  const rows = await store.database.query<ChunkRow>(
    'SELECT seq, size, members FROM chunk WHERE push_number = ? ORDER BY seq',
    [number],
  )
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1))
  const chunks: string[][] = []
  for (const { size, members } of rows) {
    const decoded = decodeMembers(members)
    const known = 'ids' in decoded ? await store.known(decoded.ids) : undefined
    chunks.push('ids' in decoded ? decoded.ids.map((id) => known?.get(id)?.token ?? '?') : [...decoded.tokens])
    expect(chunks.at(-1)?.length).toBe(size)
  }
  return chunks
}

/** Plans, unless somebody else does; answers whether. */
export async function planWhole(store: DeviceStore, push: StoredPush, chunkSize = 5000): Promise<boolean> {
  const { database } = store
  const queue = { offer: async () => undefined }
  return plan({ database, queue, chunkSize, leaseMs: 15_000, onEvent: () => undefined }, store, push.number, NEVER)
}

/** Waits until whoever plans has renewed the lease of it. */
export async function planRenewed(store: DeviceStore, { number }: StoredPush): Promise<void> {
  const leasedUntil = async (): Promise<number> => {
    const [row] = await store.database.query<{ plan_until: number }>('SELECT plan_until FROM push WHERE number = ?', [
      number,
    ])
    return row?.plan_until ?? 0
  }
  const before = await leasedUntil()
  await until(async () => (await leasedUntil()) > before)
}

/** A time, as a request has it. */
export function inFuture(): string {
  return new Date(Date.now() + 3_600_000).toISOString()
}

export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await delay(20)
}
