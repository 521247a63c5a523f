import type { Attributes } from '../attributes.ts'
import { type Device, type Environment, isApplePlatform } from '../device.ts'

/** A row of the table `device`. */
export interface DeviceRow {
  readonly id: number
  readonly environment: number
  readonly token: Uint8Array
  readonly platform: string
  readonly os_version: string
  readonly badge: number
  readonly withheld: number
  readonly refused_at: number | null
  readonly refused_reason: string | null
  readonly refused_push: string | null
  readonly attributes: string
  readonly created_at: number
  readonly updated_at: number
}

export const DEVICE_COLUMNS =
  'id, environment, token, platform, os_version, badge, withheld, refused_at, refused_reason, refused_push, attributes, created_at, updated_at'

/** Bits of `withheld`: why audiences skip a device. */
export const REFUSED = 1
export const FOREIGN = 2

export function withheldOf(platform: string, refused: boolean): number {
  return (refused ? REFUSED : 0) | (isApplePlatform(platform) ? 0 : FOREIGN)
}

export function environmentNumber(environment: Environment): number {
  return environment === 'production' ? 0 : 1
}

export function tokenBytes(token: string): Uint8Array {
  return Buffer.from(token, 'hex')
}

export function tokenText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

export function attributesOf(row: Pick<DeviceRow, 'attributes'>): Attributes {
  return JSON.parse(row.attributes) as Attributes
}

export function toDevice(app: string, row: DeviceRow, attributes: Attributes = attributesOf(row)): Device {
  return {
    app,
    token: tokenText(row.token),
    environment: row.environment === 0 ? 'production' : 'sandbox',
    platform: row.platform,
    osVersion: row.os_version,
    badge: row.badge,
    attributes,
    refused:
      (row.withheld & REFUSED) === 0
        ? null
        : { reason: row.refused_reason ?? '', at: new Date(row.refused_at ?? 0), push: row.refused_push },
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

/** Rows by token. Sorted by token as the database sorts, which keeps locks in one order. */
export function sortByToken<T extends { readonly token: string }>(list: readonly T[]): readonly T[] {
  return list.toSorted((one, other) => (one.token < other.token ? -1 : one.token > other.token ? 1 : 0))
}
