import type { OpenAPIHono } from '@hono/zod-openapi'

import { document, type Endpoint, type Env } from './endpoint.ts'
import { FILTER_SCHEMA } from './schemas.ts'

/** Puts the document together from the routes' own schemas. */
export function createDocument(
  app: OpenAPIHono<Env>,
  endpoints: readonly Endpoint[],
  basePath: string,
  version: string,
): ReturnType<OpenAPIHono['getOpenAPI31Document']> {
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key of scope register, send or admin; each may do what those before it may.',
  })
  app.openAPIRegistry.registerComponent('schemas', 'Filter', FILTER_SCHEMA)
  for (const endpoint of endpoints) document(app, endpoint)
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'LHSPN',
      version,
      description: 'Registers devices, and sends push notifications to those that match.',
      license: { name: 'MIT' },
    },
    servers: [{ url: basePath === '' ? '/' : basePath }],
  })
}
