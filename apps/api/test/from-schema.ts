import * as fc from 'fast-check'

/** A JSON schema as the document has it: as much of it as our document uses. */
export interface JsonSchema {
  readonly $ref?: string
  readonly type?: string | readonly string[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly anyOf?: readonly JsonSchema[]
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly contentMediaType?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly propertyNames?: JsonSchema
  readonly maxProperties?: number
  readonly items?: JsonSchema
  readonly minItems?: number
  readonly maxItems?: number
}

/** The document as far as a client needs it to make requests. */
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> }
}

export interface Operation {
  readonly parameters?: readonly { name: string; in: 'path' | 'query'; required?: boolean; schema: JsonSchema }[]
  readonly requestBody?: { required?: boolean; content: Readonly<Record<string, { schema: JsonSchema }>> }
  readonly responses: Readonly<Record<string, { content?: Readonly<Record<string, unknown>> }>>
}

/** Any value that a schema of the document allows. */
export function valueOf(schema: JsonSchema, { components }: Pick<OpenApi, 'components'>): fc.Arbitrary<unknown> {
  const of = (inner: JsonSchema): fc.Arbitrary<unknown> => valueOf(inner, { components })
  if (schema.$ref === '#/components/schemas/Filter') return FILTER
  if (schema.$ref !== undefined) {
    return of(components.schemas[schema.$ref.replace('#/components/schemas/', '')] as JsonSchema)
  }
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(of))
  if (typeof schema.type === 'object') return fc.oneof(...schema.type.map((type) => of({ ...schema, type })))
  switch (schema.type) {
    case 'string':
      return schema.contentMediaType === 'application/json'
        ? FILTER.map((filter) => JSON.stringify(filter))
        : textOf(schema)
    case 'integer':
      return fc.integer({ min: schema.minimum ?? -(2 ** 31), max: schema.maximum ?? 2 ** 31 - 1 })
    case 'number':
      return fc.oneof(fc.maxSafeInteger(), fc.double({ noDefaultInfinity: true, noNaN: true, min: -1e6, max: 1e6 }))
    case 'boolean':
      return fc.boolean()
    case 'null':
      return fc.constant(null)
    case 'object':
      return objectOf(schema, of)
    case 'array':
      return arrayOf(schema, of)
    case undefined:
    default:
      throw new Error(`The document has a schema that this test does not know: ${JSON.stringify(schema)}`)
  }
}

/** The part of a query that is text is a filter, and so is one part of a body. */
const FILTER: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  pair: fc.tuple(
    textOf({ minLength: 1, maxLength: 64 }),
    fc.oneof(textOf({ maxLength: 255 }), fc.integer(), fc.boolean()),
  ),
  filter: fc.oneof(
    { maxDepth: 2 },
    tie('pair'),
    fc.record({ any: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ all: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie('filter') }),
  ),
})).filter

function textOf({ pattern, minLength = 0, maxLength = 300 }: JsonSchema): fc.Arbitrary<string> {
  const isFit = (text: string): boolean => text.length >= minLength && text.length <= maxLength
  // what excludes characters, fast-check would make of nothing but odd ones
  if (pattern !== undefined && !pattern.includes('[^')) return fc.stringMatching(new RegExp(pattern)).filter(isFit)
  const text = fc.oneof(fc.string({ minLength, maxLength }), fc.string({ unit: 'grapheme', minLength, maxLength }))
  return text.filter((found) => isFit(found) && (pattern === undefined || new RegExp(pattern, 'u').test(found)))
}

/** Few items: how many may be sent is tested elsewhere. */
function arrayOf(schema: JsonSchema, of: (inner: JsonSchema) => fc.Arbitrary<unknown>): fc.Arbitrary<unknown[]> {
  const { items = {}, minItems = 0, maxItems = 5 } = schema
  return fc.array(of(items), { minLength: minItems, maxLength: Math.min(maxItems, 5) })
}

function objectOf(schema: JsonSchema, of: (inner: JsonSchema) => fc.Arbitrary<unknown>): fc.Arbitrary<object> {
  const { properties, required = [], additionalProperties, propertyNames = {}, maxProperties = 10 } = schema
  if (properties !== undefined) {
    const fields = Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, of(inner)]))
    return fc.record(fields, { requiredKeys: [...required] })
  }
  const name = fc.oneof(textOf(propertyNames), fc.constantFrom('__proto__', 'constructor', "'; --"))
  const value = typeof additionalProperties === 'object' ? of(additionalProperties) : fc.jsonValue()
  // few of them: together they must stay below 8 KiB
  const entries = fc.uniqueArray(fc.tuple(name, value), {
    maxLength: Math.min(maxProperties, 6),
    selector: ([key]) => key,
  })
  return entries.map((pairs) => Object.fromEntries(pairs))
}
