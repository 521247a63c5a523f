import { expect } from 'vitest'

import { checkContent, type ContentCheckOptions, type Interface } from '../src/content.ts'

/** `E` errors and `W` warnings, each with its pointer. */
export function told(content: unknown, over: Interface = 'provider-api', options: ContentCheckOptions = {}): string[] {
  const { errors, warnings } = checkContent(content, over, options)
  for (const { detail } of [...errors, ...warnings]) expect(detail).toMatch(/^[A-Z].*\.$/)
  return [
    ...errors.map(({ kind, pointer }) => `E ${kind} ${pointer}`),
    ...warnings.map(({ pointer }) => `W ${pointer}`),
  ]
}

/** The `aps` of a Live Activity that is sound, and of one that starts. */
export const UPDATE = { timestamp: 1_700_000_000, event: 'update', 'content-state': {} }
export const START = {
  ...UPDATE,
  event: 'start',
  'attributes-type': 'A',
  attributes: {},
  alert: { title: 'a', body: 'b' },
}
