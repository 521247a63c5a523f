import { z } from '@hono/zod-openapi'
import { parseChanges } from '@lhspn/device-store'
import type { AppConfig, Caller } from '@lhspn/service'

import { appOf } from '../auth.ts'
import { BODY_TIMEOUT_MS, streamBody } from '../body.ts'
import {
  changesSchema,
  DEVICE_COLUMNS,
  type DeviceBody,
  deviceSchema,
  parseRegistrationBody,
  registrationSchema,
  toDeviceBody,
} from '../device-body.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { pointerOf } from '../faults.ts'
import { IMPORT_TYPES } from '../import-rows.ts'
import { importDevices, type ImportFault, importReportSchema } from '../import.ts'
import { answerList } from '../list.ts'
import { mediaTypeOf } from '../negotiation.ts'
import { ApiError } from '../problem.ts'
import { cursor, deviceToken, environment, filterText, flag, limit, pageOf, topic } from '../schemas.ts'

const JSON_TYPE = 'application/json'
/** Of rows that were turned away; all are counted. */
const MAX_IMPORT_ERRORS = 1000
const PARAMETER = { parameter: 'app' }
const tokenParams = z.object({ token: deviceToken })
const appQuery = z.strictObject({ app: topic.optional() })

const register = endpoint({
  method: 'put',
  path: '/v1/devices/{token}',
  summary: 'Register a device',
  scope: 'register',
  params: tokenParams,
  body: { schema: registrationSchema, judge: parseRegistrationBody, required: false, types: [JSON_TYPE] },
  answers: {
    200: { description: 'It was known', content: { [JSON_TYPE]: z.union([deviceSchema, savedSchema()]) } },
    201: { description: 'It is new', content: { [JSON_TYPE]: z.union([deviceSchema, savedSchema()]) } },
  },
  problems: [],
  async handle({ c, service, caller, params: { token }, body }) {
    const app = appOf(service, caller, body.app, { pointer: '/app' })
    const keepAttributes = untouchable(app, caller)
    refuseTrusted(keepAttributes, body.attributes ?? {})
    const registration = { ...parseRegistrationBody(body), app: app.topic, token }
    const [saved] = await service.store.save([registration], { keepAttributes })
    if (saved === undefined) throw new Error('The registry answered nothing for a registration')
    const isKnown = caller.scope !== 'register'
    return c.json(isKnown ? toDeviceBody(saved.device) : { saved: true }, saved.created ? 201 : 200)
  },
})

const remove = endpoint({
  method: 'delete',
  path: '/v1/devices/{token}',
  summary: 'Delete a device, if it is there',
  scope: 'register',
  params: tokenParams,
  query: appQuery,
  answers: { 204: { description: 'It is not there now' } },
  problems: [],
  async handle({ c, service, caller, params: { token }, query }) {
    const app = appOf(service, caller, query.app, PARAMETER)
    await service.store.delete(app.topic, token)
    return c.body(null, 204)
  },
})

const read = endpoint({
  method: 'get',
  path: '/v1/devices/{token}',
  summary: 'Read a device',
  scope: 'send',
  params: tokenParams,
  query: appQuery,
  answers: { 200: { description: 'The device', content: { [JSON_TYPE]: deviceSchema } } },
  problems: ['not-found', 'device-removed'],
  async handle({ c, service, caller, params: { token }, query }) {
    const app = appOf(service, caller, query.app, PARAMETER)
    const device = await service.store.get(app.topic, token)
    if (device !== undefined) return c.json(toDeviceBody(device))
    const tombstone = await service.store.tombstone(app.topic, token)
    if (tombstone === undefined) throw unknownDevice(app)
    throw new ApiError('device-removed', 'The device was removed, and has not registered again.', { tombstone })
  },
})

const change = endpoint({
  method: 'patch',
  path: '/v1/devices/{token}',
  summary: 'Change a device without a registration',
  scope: 'send',
  params: tokenParams,
  query: appQuery,
  body: {
    schema: changesSchema,
    judge: parseChanges,
    required: true,
    types: [JSON_TYPE, 'application/merge-patch+json'],
  },
  answers: { 200: { description: 'The device as it is now', content: { [JSON_TYPE]: deviceSchema } } },
  problems: ['not-found'],
  async handle({ c, service, caller, params: { token }, query, body }) {
    const app = appOf(service, caller, query.app, PARAMETER)
    const device = await service.store.update(app.topic, token, parseChanges(body))
    if (device === undefined) throw unknownDevice(app)
    return c.json(toDeviceBody(device))
  },
})

const list = endpoint({
  method: 'get',
  path: '/v1/devices',
  summary: 'List devices, in the order of their first registration',
  scope: 'send',
  query: z.strictObject({
    app: topic.optional(),
    environment: environment.optional(),
    filter: filterText.optional(),
    refused: flag.optional(),
    count: flag.optional(),
    limit: limit.optional(),
    cursor: cursor.optional(),
  }),
  answers: {
    200: {
      description: 'A page; or the whole list, streamed',
      content: {
        [JSON_TYPE]: pageOf(deviceSchema).extend({ count: z.int().optional() }),
        'application/x-ndjson': deviceSchema,
        'text/csv': z.string(),
      },
    },
  },
  problems: [],
  async handle({ c, service, caller, query, type }) {
    const { store, log } = service
    const app = appOf(service, caller, query.app, PARAMETER)
    const { count: wantsCount, app: _, ...rest } = query
    const narrowed = { ...rest, app: app.topic }
    if (wantsCount === true && type !== JSON_TYPE) {
      throw new ApiError('invalid-request', `${type} has no count.`, {
        errors: [{ parameter: 'count', detail: 'Only pages have it: leave it out, or ask for application/json.' }],
      })
    }
    return answerList<DeviceBody>(
      c,
      type,
      query,
      {
        columns: DEVICE_COLUMNS,
        async page() {
          const { devices, nextCursor } = await store.page(narrowed)
          const count = wantsCount === true ? { count: await store.count(narrowed) } : {}
          return { data: devices.map(toDeviceBody), nextCursor, ...count }
        },
        async *all() {
          for await (const devices of store.find(narrowed)) yield devices.map(toDeviceBody)
        },
      },
      log,
    )
  },
})

const importAll = endpoint({
  method: 'post',
  path: '/v1/devices',
  summary: 'Import devices, streamed, as a list exports them',
  scope: 'admin',
  query: z.strictObject({ app: topic.optional(), environment: environment.optional() }),
  upload: { 'application/x-ndjson': deviceSchema.partial(), 'text/csv': z.string() },
  answers: { 200: { description: 'What became of the rows', content: { [JSON_TYPE]: importReportSchema } } },
  problems: [],
  async handle({ c, service, caller, query }) {
    const { incoming } = c.env
    const type = mediaTypeOf(incoming.headers['content-type'])
    const importType = IMPORT_TYPES.find((each) => each === type)
    if (importType === undefined) {
      throw new ApiError('unsupported-media-type', `An import is ${IMPORT_TYPES.join(' or ')}.`)
    }
    if (query.app !== undefined) appOf(service, caller, query.app, PARAMETER)
    const appFor = (named: string | undefined): string =>
      appOf(service, caller, named ?? query.app, { pointer: '/app' }).topic
    const errors: ImportFault[] = []
    const counts = await importDevices(service.store, streamBody(incoming, BODY_TIMEOUT_MS), {
      type: importType,
      appFor,
      environment: query.environment,
      onRefused: (fault) => {
        if (errors.length < MAX_IMPORT_ERRORS) errors.push(fault)
      },
    })
    return c.json({ ...counts, errors })
  },
})

export const DEVICE_ENDPOINTS: readonly Endpoint[] = [register, remove, read, change, list, importAll]

/** Keys of attributes that this caller has no say over. */
function untouchable(app: AppConfig, caller: Caller): readonly string[] {
  return caller.scope === 'register' ? (app.trustedAttributes ?? []) : []
}

function refuseTrusted(keys: readonly string[], attributes: Readonly<Record<string, unknown>>): void {
  const errors = keys
    .filter((key) => Object.hasOwn(attributes, key))
    .map((key) => ({ pointer: pointerOf(['attributes', key]), detail: 'Only send and admin keys may write it.' }))
  if (errors.length === 0) return
  throw new ApiError('forbidden', 'A register key must not write trusted attributes; nothing was stored.', { errors })
}

function unknownDevice(app: AppConfig): ApiError {
  return new ApiError('not-found', `${app.topic} has no such device.`)
}

function savedSchema() {
  return z.object({ saved: z.literal(true) }).openapi('Saved', { description: 'All that a register key learns.' })
}
