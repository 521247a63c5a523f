import { type Command } from '@lhspn/apns-protocol'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { Decider } from './decision.ts'
import type { Rule, Script } from './script.ts'

const NO_BYTES = new Uint8Array(0)

function notification(token: string, identifier = 1): Command {
  const rest = { payload: NO_BYTES, bytes: NO_BYTES, expiration: undefined, priority: undefined }
  return { command: 2, token, identifier, fault: token === '' ? 2 : undefined, ...rest }
}

function play(script: Script, seed: number, tokens: readonly string[]): string[] {
  const decider = new Decider(script, seed)
  return tokens.map((token, index) => {
    const decision = decider.onFrame(notification(token), { connection: 1, nth: index + 1, previous: index })
    return JSON.stringify(decision)
  })
}

const anyToken = fc.constantFrom('aa', 'ab', 'bb', 'bc')
const anyRule: fc.Arbitrary<Rule> = fc
  .record({
    token: fc.option(
      fc.oneof(
        anyToken,
        fc.constantFrom('a', 'b', 'bb').map((startsWith) => ({ startsWith })),
      ),
    ),
    nth: fc.option(fc.integer({ min: 1, max: 20 })),
    every: fc.option(fc.integer({ min: 1, max: 5 })),
    chance: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
    times: fc.option(fc.integer({ min: 1, max: 3 })),
    status: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ status, times, ...when }) => ({
    when: Object.fromEntries(Object.entries(when).filter(([, value]) => value !== null)),
    ...(times === null ? {} : { times }),
    do: { status },
  }))
const anyTokens = fc.array(anyToken, { maxLength: 40 })

test('the same script, seed and arrivals give the same decisions', () =>
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 6 }), fc.integer(), anyTokens, (rules, seed, tokens) => {
      expect(play({ rules }, seed, tokens)).toEqual(play({ rules }, seed, tokens))
    }),
  ))

test('the first rule in the order of the script decides, whether it names a token or not', () =>
  fc.assert(
    fc.property(fc.array(anyRule, { maxLength: 6 }), anyTokens, (rules, tokens) => {
      const sure = rules.map((rule) => ({ ...rule, when: { ...rule.when, chance: 1 } }))
      const left = sure.map(({ times }) => times ?? Infinity)
      const expected = tokens.map((token, index) => {
        const found = sure.findIndex(({ when }, order) => {
          const isToken =
            when.token === undefined ||
            (typeof when.token === 'string' ? when.token === token : token.startsWith(when.token.startsWith))
          const isPlace =
            (when.nth ?? index + 1) === index + 1 && (when.every === undefined || (index + 1) % when.every === 0)
          return (left[order] ?? 0) > 0 && isToken && isPlace
        })
        const rule = sure[found]
        if (rule === undefined) return JSON.stringify({ verdict: 'accepted' })
        left[found] = (left[found] ?? 0) - 1
        return JSON.stringify({ verdict: 'rejected', action: rule.do, identifier: 1 })
      })
      expect(play({ rules: sure }, 0, tokens)).toEqual(expected)
    }),
  ))

test('chances come out as often as they say, and each rule and seed has its own', () => {
  const tokens = Array.from({ length: 10_000 }, () => 'aa')
  const drawn = (seed: number, rules: readonly Rule[]) =>
    play({ rules }, seed, tokens).map((text) => text.includes('"status":8'))
  const rule: Rule = { when: { chance: 0.1 }, do: { status: 8 } }
  const never: Rule = { when: { chance: 0 }, do: { status: 1 } }
  const hits = drawn(1, [rule]).filter(Boolean).length
  expect(hits).toBeGreaterThan(850)
  expect(hits).toBeLessThan(1150)
  expect(drawn(2, [rule])).not.toEqual(drawn(1, [rule]))
  expect(drawn(1, [never, rule])).not.toEqual(drawn(1, [rule]))
})

function ofBb(chance: number): Rule {
  return { when: { chance, token: 'bb' }, do: { status: 7 } }
}

/** The decisions on every second notification. */
function ofAa(decisions: readonly string[]): string[] {
  return decisions.filter((_, index) => index % 2 === 0)
}

test('a rule before another does not change its draws', () => {
  const tokens = Array.from({ length: 200 }, (_, index) => (index % 2 === 0 ? 'aa' : 'bb'))
  const rule: Rule = { when: { chance: 0.5, token: 'aa' }, do: { status: 8 } }
  expect(ofAa(play({ rules: [ofBb(0.9), rule] }, 3, tokens))).toEqual(
    ofAa(play({ rules: [ofBb(0.1), rule] }, 3, tokens)),
  )
})

test('rules for barriers and for notifications do not meet', () => {
  const decider = new Decider(
    {
      rules: [
        { when: { barrier: true }, do: 'close' },
        { when: {}, do: 'reset' },
      ],
    },
    0,
  )
  const position = { connection: 1, nth: 1, previous: 0 }
  expect(decider.onFrame(notification(''), position)).toEqual({ verdict: 'barrier', action: 'close' })
  expect(decider.onFrame(notification('aa'), position)).toEqual({ verdict: 'discarded', action: 'reset' })
})
