import { ERROR_STATUSES, PROVIDER_REASONS } from '@lhspn/apns-protocol'
import { OWN_REASONS } from '@lhspn/sender'
import { expect, test } from 'vitest'

import {
  codeOf,
  codesOf,
  isAboutContent,
  isMismatch,
  kindOfReason,
  outcomeOfCode,
  type SettledKind,
} from './outcome-code.ts'

const codes = Array.from({ length: 256 }, (_, code) => code)

test('every number means what it says, and is what that is written as', () => {
  for (const code of codes) {
    const facts = outcomeOfCode(code)
    if (facts !== undefined) expect(codeOf(facts)).toBe(code)
  }
})

test('nothing is settled by 0', () => {
  expect(outcomeOfCode(0)).toBeUndefined()
})

test('what the sender may answer of its own has a number', () => {
  for (const [reason, { kind }] of Object.entries(OWN_REASONS)) {
    if (kind === 'unsent' || reason === 'ContentRefused') continue
    expect(outcomeOfCode(codeOf({ kind, reason }))).toEqual({ kind, reason })
  }
})

test('what the gateway says about a token has a number; about the content, it makes the push pause', () => {
  for (const [status, { name, about }] of Object.entries(ERROR_STATUSES)) {
    const outcome = { notification: { token: '', content: { payload: {} } }, kind: 'rejected', attempts: 1 } as const
    if (about === 'token')
      expect(outcomeOfCode(codeOf({ kind: 'rejected', reason: name }))).toEqual({ kind: 'rejected', reason: name })
    if (about === 'token' || about === 'content')
      expect(isAboutContent({ ...outcome, reason: name, status: Number(status) })).toBe(about === 'content')
  }
})

test('what the provider API says about the content makes the push pause; about a token, it has a number', () => {
  for (const [reason, { status, about }] of Object.entries(PROVIDER_REASONS)) {
    if (about !== 'token' && about !== 'content') continue
    const kind = status === 410 ? 'unregistered' : 'rejected'
    const notification = { token: '', content: { payload: {} } }
    expect(isAboutContent({ notification, attempts: 1, kind, reason, status })).toBe(about === 'content')
    if (about === 'token') expect(outcomeOfCode(codeOf({ kind, reason }))).toEqual({ kind, reason })
  }
})

test('a reason that nobody knows keeps its kind; whether it is about the content, the status tells', () => {
  for (const kind of ['unconfirmed', 'unregistered', 'rejected'] as const satisfies readonly SettledKind[])
    expect(outcomeOfCode(codeOf({ kind, reason: 'New' }))).toEqual({ kind, reason: 'Other' })
  const outcome = { notification: { token: '', content: { payload: {} } }, kind: 'rejected', attempts: 1 } as const
  expect(isAboutContent({ ...outcome, reason: 'New', status: 400 })).toBe(true)
  expect(isAboutContent({ ...outcome, reason: 'New', status: 429 })).toBe(false)
  expect(isAboutContent({ ...outcome, reason: 'New', status: 200 })).toBe(false)
})

test('are found by kind and by reason', () => {
  expect(codesOf('accepted', undefined)).toEqual([1, 4])
  expect(codesOf(undefined, 'BadDeviceToken')).toEqual([23])
  expect(codesOf('accepted', 'BadDeviceToken')).toEqual([])
  expect(codes.filter(isMismatch).map((code) => outcomeOfCode(code)?.reason)).toEqual([
    'InvalidToken',
    'BadDeviceToken',
    'DeviceTokenNotForTopic',
  ])
})

test('a reason tells its outcome, but for names that come with several', () => {
  for (const code of codes) {
    const { kind, reason } = outcomeOfCode(code) ?? {}
    if (reason === undefined) continue
    const isAny = reason === 'Other' || reason === 'Unexplained'
    expect(kindOfReason(reason)).toBe(isAny ? undefined : kind)
  }
  expect(kindOfReason('NoSuchReason')).toBeUndefined()
})
