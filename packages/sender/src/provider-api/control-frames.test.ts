import { expect, test } from 'vitest'

import { ControlFrames } from './control-frames.ts'

test('frames leave in order, in pieces of any size, however many wait', () => {
  const control = new ControlFrames()
  for (let frame = 0; frame < 200; frame++) {
    control.add(17, (into, at) => {
      into.fill(frame, at, at + 13)
      return at + 13
    })
  }
  expect(control.length).toBe(2600)
  const all = new Uint8Array(2600)
  let at = 0
  for (let piece = 1; control.length > 0; piece++) at = control.take(all, at, Math.min(all.length, at + piece))
  expect(at).toBe(2600)
  expect(all.every((value, index) => value === Math.floor(index / 13))).toBe(true)
})
