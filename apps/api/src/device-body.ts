import { z } from '@hono/zod-openapi'
import { MAX_BADGE } from '@lhspn/apns-protocol'
import {
  type Device,
  MAX_ATTRIBUTES,
  MAX_ATTRIBUTES_BYTES,
  MAX_KEY_LENGTH,
  MAX_TEXT_LENGTH,
  parseRegistration,
  type Registration,
} from '@lhspn/device-store'

import type { Columns } from './list.ts'
import { deviceToken, environment, printable, time, topic } from './schemas.ts'

/** What the document says of attributes; their judge is the registry's own parser. */
function documented(values: readonly { type: 'string' | 'number' | 'boolean' | 'null' }[], description: string) {
  return {
    type: 'object' as const,
    description,
    maxProperties: MAX_ATTRIBUTES,
    propertyNames: { minLength: 1, maxLength: MAX_KEY_LENGTH },
    additionalProperties: {
      anyOf: values.map(({ type }) => (type === 'string' ? { type, maxLength: MAX_TEXT_LENGTH } : { type })),
    },
  }
}

const ATTRIBUTE_TYPES = [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }] as const
const attributes = z
  .custom<Readonly<Record<string, unknown>>>(isObject, 'Must be an object.')
  .openapi(documented(ATTRIBUTE_TYPES, `Up to ${MAX_ATTRIBUTES_BYTES} bytes as JSON.`))
const patch = z
  .custom<Readonly<Record<string, unknown>>>(isObject, 'Must be an object.')
  .openapi(documented([...ATTRIBUTE_TYPES, { type: 'null' }], 'A merge patch (RFC 7396): null removes a key.'))

const platform = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,15}$/, { error: 'Must be the name of a platform, such as ios.' })
  .openapi({ example: 'ios' })
const osVersion = printable.max(32).openapi({ example: '18.1' })
const badge = z.int().min(0).max(MAX_BADGE)

/** The body of a registration. Absent fields stay as they are. */
export const registrationSchema = z
  .strictObject({
    app: topic.optional(),
    environment: environment.optional(),
    platform: platform.optional(),
    osVersion: osVersion.optional(),
    badge: badge.optional(),
    attributes: attributes.optional(),
  })
  .openapi('Registration')

/** The body of a change. */
export const changesSchema = z
  .strictObject({
    attributes: patch.optional(),
    badge: z
      .union([badge, z.strictObject({ increment: z.int().min(-MAX_BADGE).max(MAX_BADGE) })], {
        error: `Must be a whole number from 0 to ${MAX_BADGE}, or {"increment": n}.`,
      })
      .optional(),
    refused: z.null().optional(),
    environment: environment.optional(),
    platform: platform.optional(),
    osVersion: osVersion.optional(),
  })
  .openapi('Changes')

/** A device as it is answered and exported. */
export const deviceSchema = z
  .object({
    app: topic,
    token: deviceToken,
    environment,
    platform: z.string(),
    osVersion: z.string(),
    badge,
    attributes,
    refused: z.object({ reason: z.string(), at: time, push: z.string().nullable() }).nullable(),
    createdAt: time,
    updatedAt: time,
  })
  .openapi('Device')

/** A device as JSON has it. */
export interface DeviceBody extends Omit<Device, 'refused' | 'createdAt' | 'updatedAt'> {
  readonly refused: { readonly reason: string; readonly at: string; readonly push: string | null } | null
  readonly createdAt: string
  readonly updatedAt: string
}

/** What the API and the command line answer for a device. */
export function toDeviceBody(device: Device): DeviceBody {
  const { app, token, environment: where, platform: kind, osVersion: version, badge: count, refused } = device
  return {
    app,
    token,
    environment: where,
    platform: kind,
    osVersion: version,
    badge: count,
    attributes: device.attributes,
    refused: refused === null ? null : { ...refused, at: refused.at.toISOString() },
    createdAt: device.createdAt.toISOString(),
    updatedAt: device.updatedAt.toISOString(),
  }
}

/** The columns of an export, which an import reads. */
export const DEVICE_COLUMNS: Columns<DeviceBody> = {
  app: (device) => device.app,
  token: (device) => device.token,
  environment: (device) => device.environment,
  platform: (device) => device.platform,
  osVersion: (device) => device.osVersion,
  badge: (device) => device.badge,
  attributes: (device) => JSON.stringify(device.attributes),
  refused: (device) => (device.refused === null ? '' : JSON.stringify(device.refused)),
  createdAt: (device) => device.createdAt,
  updatedAt: (device) => device.updatedAt,
}

/**
 * Reads the body of a registration, whose app and token stand elsewhere.
 * @throws DeviceStoreError `invalid-registration`
 */
export function parseRegistrationBody(value: unknown): Omit<Registration, 'app' | 'token'> {
  const fields = isObject(value) ? value : {}
  const { app: _app, token: _token, ...rest } = parseRegistration({ ...fields, app: 'elsewhere', token: '00' })
  return rest
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
