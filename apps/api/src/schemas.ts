import { z } from '@hono/zod-openapi'
import { MAX_TOKEN_BYTES, parseDeviceToken, ProtocolError } from '@lhspn/apns-protocol'
import { DeviceStoreError, type Filter, parseFilter } from '@lhspn/device-store'
import { ENVIRONMENTS } from '@lhspn/service'

/** Schemas of values that several routes share. They validate, and the document is made from them. */

export const environment = z.enum(ENVIRONMENTS)

export const topic = z.string().min(1).max(255).openapi({
  description: 'Topic (bundle id) of an app. May be left out where only one can be meant.',
  example: 'com.example.app',
})

/** Takes a token in any spelling that people paste. */
export const deviceToken = z
  .string()
  .transform((text, context) => {
    try {
      return parseDeviceToken(text)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      context.addIssue({ code: 'custom', message: `${capital(error.message)}. ${error.remedy}` })
      return z.NEVER
    }
  })
  .openapi({
    type: 'string',
    pattern: `^([0-9A-Fa-f]{2}){1,${MAX_TOKEN_BYTES}}$`,
    description: 'Hex, in any case; spaces and angle brackets are read past.',
    example: '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad',
  })

const FILTER_DOCUMENT = {
  type: 'string' as const,
  contentMediaType: 'application/json',
  description: 'A pair `[key, value]`, `{"any": […]}`, `{"all": […]}` or `{"not": …}`; up to 50 pairs, 5 deep.',
  example: '{"all":[["plan","pro"],{"not":["beta",true]}]}',
}

/** What the document says of a filter inside of a body; its judge is the registry's own parser. */
export const FILTER_SCHEMA = {
  description: 'Which attributes a device has; up to 50 pairs, 5 deep.',
  anyOf: [
    {
      type: 'array' as const,
      description: 'A pair of key and value, compared exactly and by type.',
      prefixItems: [{ type: 'string' as const }, { type: ['string' as const, 'number' as const, 'boolean' as const] }],
      minItems: 2,
      maxItems: 2,
    },
    ...(['any', 'all'] as const).map((name) => ({
      type: 'object' as const,
      properties: { [name]: { type: 'array' as const, items: { $ref: '#/components/schemas/Filter' }, minItems: 1 } },
      required: [name],
      additionalProperties: false,
    })),
    {
      type: 'object' as const,
      properties: { not: { $ref: '#/components/schemas/Filter' } },
      required: ['not'],
      additionalProperties: false,
    },
  ],
}

/** A filter as JSON text, as it stands in a query. */
export const filterText = z
  .string()
  .transform((text, context): Filter => {
    try {
      return parseFilter(JSON.parse(text))
    } catch (error) {
      if (error instanceof SyntaxError) context.addIssue({ code: 'custom', message: `Must be JSON: ${error.message}` })
      else if (error instanceof DeviceStoreError) {
        for (const { pointer, detail } of error.faults) {
          context.addIssue({ code: 'custom', message: detail, path: pointer.split('/').slice(1) })
        }
      } else throw error
      return z.NEVER
    }
  })
  .openapi(FILTER_DOCUMENT)

/** Text without control characters. Written out, because the document takes flags for a part of the pattern. */
const PRINTABLE = new RegExp(String.raw`^[^\u0000-\u001F\u007F-\u009F]*$`)
export const printable = z.string().regex(PRINTABLE, { error: 'Must not have control characters.' })

export const flag = z.enum(['true', 'false']).transform((text) => text === 'true')

export const limit = z
  .string()
  .regex(/^\d{1,9}$/, { error: 'Must be a whole number from 1 to 1000.' })
  .transform(Number)
  .refine((value) => value >= 1 && value <= 1000, { error: 'Must be a whole number from 1 to 1000.' })
  .openapi({ type: 'integer', minimum: 1, maximum: 1000, default: 50, description: 'Most entries of a page.' })

export const cursor = z.string().min(1).max(100).openapi({ description: 'The `nextCursor` of the page before.' })

/** Of an answer: RFC 3339, UTC, milliseconds. */
export const time = z.iso.datetime({ precision: 3 })

export const id = z.string().min(1).max(100)

/** A page of a list. */
export function pageOf<T extends z.ZodType>(entry: T) {
  return z.object({
    data: z.array(entry),
    nextCursor: z.string().nullable().openapi({ description: 'For `?cursor=`; null on the last page.' }),
  })
}

/** What RFC 9457 calls a problem document. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    instance: z.string(),
    detail: z.string(),
    remedy: z.string().optional(),
    errors: z
      .array(
        z.object({
          parameter: z.string().optional(),
          pointer: z.string().optional(),
          line: z.int().optional(),
          detail: z.string(),
        }),
      )
      .optional(),
    tombstone: z
      .object({ at: time, cause: z.enum(['unregistered', 'feedback', 'request']), push: z.string().nullable() })
      .optional(),
  })
  .openapi('Problem')

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
