import type { Content } from '@lhspn/apns-protocol'
import { expect, test } from 'vitest'

import { ContentRenderer, RenderedContent } from './rendered-content.ts'

const forGateway = () => new ContentRenderer((content) => new RenderedContent(content, 'gateway'))

const hi: Content = { payload: { aps: { alert: 'Hi' } } }

test('a content is rendered once for all that share it, also when others come between', () => {
  const renderer = forGateway()
  const { payload } = renderer.render(hi)
  renderer.render({ ...hi })
  expect(renderer.render(hi).payload).toBe(payload)
})

test.for<[string, Content, boolean, boolean]>([
  ['an alert', hi, true, true],
  ['what only the provider API carries', { ...hi, collapseId: 'a' }, false, false],
  ['a payload that only fits without a badge', { payload: { aps: { alert: 'x'.repeat(2048 - 20) } } }, true, false],
  ['a payload that is too large', { payload: { aps: { alert: 'x'.repeat(2048) } } }, false, false],
])('%s: sendable as it is, and with a badge', ([, content, plain, withBadge]) => {
  const rendered = forGateway().render(content)
  expect([rendered.sendable, rendered.sendableWithBadge]).toEqual([plain, withBadge])
})

test.for([undefined, null, 'Hi', 7, {}, []])('%j is no content, and not sendable', (content) => {
  const rendered = forGateway().render(content as never)
  expect([rendered.sendable, rendered.sendableWithBadge]).toEqual([false, false])
})

test.for<[Content, number]>([
  [hi, 10],
  [{ ...hi, priority: 5 }, 5],
  [{ payload: { aps: { 'content-available': 1 } }, pushType: 'background' }, 5],
])('%j goes with priority %i', ([content, priority]) => {
  expect(forGateway().render(content).priority).toBe(priority)
})
