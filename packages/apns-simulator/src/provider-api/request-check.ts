import type { X509Certificate } from 'node:crypto'

import { PUSH_TYPES, type ReceivedRequest, topicOf } from '@lhspn/apns-protocol'

import type { Refusal } from './provider-tokens.ts'

/** A request with everything that came. */
export interface WholeRequest {
  /** As often as they came, pseudo-headers too. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly read: ReceivedRequest
  readonly payload: Uint8Array
}

/** What a connection may push to. */
export interface Entitlement {
  /** Bundle ids; undefined: any. */
  readonly apps: readonly string[] | undefined
  /** Bundle id that the connection's certificate is made for; undefined without one. */
  readonly certificateApp: string | undefined
}

/** What Apple finds wrong with a request, credentials apart; undefined: nothing. Where Apple's order is not known, this one. */
export function checkRequest(request: WholeRequest, entitlement: Entitlement): Refusal | undefined {
  const { fault } = request.read
  if (fault !== undefined) return { reason: fault, detail: describe(request.fields) }
  return checkTopic(request.read, entitlement) ?? checkPayload(request)
}

function checkTopic({ topic, pushType = 'alert' }: ReceivedRequest, entitlement: Entitlement): Refusal | undefined {
  const { apps, certificateApp } = entitlement
  const { topicSuffix, keyOnly } = PUSH_TYPES[pushType]
  if (certificateApp === undefined && topic === undefined) {
    return { reason: 'MissingTopic', detail: 'there is no apns-topic, and no certificate to take it from' }
  }
  if (certificateApp !== undefined && keyOnly) {
    return { reason: 'TopicDisallowed', detail: `push type ${pushType} needs a signing key instead of a certificate` }
  }
  if (topic === undefined) return undefined
  if (!topic.endsWith(topicSuffix) || topic.length === topicSuffix.length) {
    return { reason: 'BadTopic', detail: `the topic of push type ${pushType} ends in ${topicSuffix}, not ${topic}` }
  }
  const allowed = certificateApp === undefined ? apps : [certificateApp]
  if (allowed === undefined || allowed.some((app) => topicOf(app, pushType) === topic)) return undefined
  // a topic of an app that may be pushed to, with what another push type has behind it
  const reason = allowed.some((app) => topic.startsWith(`${app}.`)) ? 'BadTopic' : 'TopicDisallowed'
  return { reason, detail: `${topic} is no topic of push type ${pushType} for ${allowed.join(', ')}` }
}

function checkPayload({ read, payload }: WholeRequest): Refusal | undefined {
  const pushType = read.pushType ?? 'alert'
  const limit = PUSH_TYPES[pushType].payloadBytes
  if (payload.length === 0) return { reason: 'PayloadEmpty', detail: 'there is no payload' }
  if (payload.length > limit) {
    return {
      reason: 'PayloadTooLarge',
      detail: `${payload.length} bytes; ${limit} is the limit of push type ${pushType}`,
    }
  }
  if (isJsonObject(payload)) return undefined
  return { reason: 'BadRequestPayload', detail: 'the payload is no JSON object in UTF-8' }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function isJsonObject(payload: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(utf8.decode(payload))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

/** All that a fault may be about; what proves who somebody is stays out. */
function describe(fields: WholeRequest['fields']): string {
  return fields.flatMap(([name, value]) => (name === 'authorization' ? [] : [`${name}: ${value}`])).join(', ')
}

/** The bundle id in the subject of a certificate, where Apple puts it. */
export function appOf(certificate: X509Certificate): string | undefined {
  return /^UID=(.+)$/m.exec(certificate.subject)?.[1]
}
