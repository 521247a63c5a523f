import {
  aboutProviderAnswer,
  ERROR_STATUSES,
  isErrorStatus,
  isProviderReason,
  PROVIDER_REASONS,
} from '@lhspn/apns-protocol'

import type { Finding } from '../finding.ts'
import type { GatewayProbe } from './gateway-probe.ts'
import type { ProviderProbe } from './provider-probe.ts'
import type { Connected, Unreached } from './reach.ts'

/** Whether credentials are good. */
export interface CredentialsFinding extends Finding {
  /** Undefined where the answer does not tell. */
  readonly taken: boolean | undefined
}

const REMEDIES = {
  'unknown-host': 'Correct the host name, or the DNS of this machine.',
  unreachable: 'Check the address, the network and the server.',
  'no-tls': 'Check that the address is the right one, and that nothing stands between.',
  untrusted: 'Set ca to the authority that signed it, or correct the host name.',
  'no-http2': 'Check the address, and let proxies and firewalls pass TLS to it unopened.',
} as const satisfies Record<Unreached['kind'], string>

/** What an obstacle on the way to a server means. */
export function judgeObstacle({ kind, detail, remedy }: Unreached): Finding {
  return { verdict: 'fail', found: detail, remedy: remedy ?? REMEDIES[kind] }
}

/** @param via how it was reached, beside TLS: `HTTP/2`, a proxy */
export function judgeConnection(address: string, { ip, protocol }: Connected, via: readonly string[]): Finding {
  const where = ip === undefined || address.includes(ip) ? address : `${address} (${ip})`
  return { verdict: 'ok', found: `${where} reached over ${[protocol, ...via].join(', ')}` }
}

const CHECK_CERTIFICATE = 'Check that the certificate is valid, not revoked, and made for this app and environment.'
const REFUSED = {
  verdict: 'fail',
  taken: false,
  found: 'the connection was closed at once, without an answer',
  remedy: CHECK_CERTIFICATE,
} as const
/** Statuses that are about the certificate: it names no topic, or none that this gateway takes. */
const MISSING_TOPIC = 3
const INVALID_TOPIC_SIZE = 6
const SHUTDOWN = 10

/** What a gateway's answer to a confirmation barrier, or its silence, says about the certificate. */
export function judgeGateway(probe: Exclude<GatewayProbe, Unreached>): CredentialsFinding {
  switch (probe.kind) {
    case 'refused':
      return { ...REFUSED, found: `the client certificate was refused with ${probe.detail}` }
    case 'closed':
      return REFUSED
    case 'silent': {
      const found =
        'no answer: this gateway does not know the confirmation barrier, and what is accepted stays unconfirmed'
      const remedy = 'Set sender.assumeAccepted if silence means acceptance to you.'
      return { verdict: 'warn', taken: undefined, found, remedy }
    }
    case 'answered': {
      const { status } = probe.response
      const what = isErrorStatus(status) ? ERROR_STATUSES[status].name : 'a status that Apple never named'
      const found = `answered with status ${status} (${what}) in ${Math.max(1, Math.round(probe.ms))} ms`
      if (status === MISSING_TOPIC || status === INVALID_TOPIC_SIZE) return { ...REFUSED, found }
      if (status === SHUTDOWN) {
        return { verdict: 'warn', taken: undefined, found, remedy: 'Try again: it was shutting down.' }
      }
      return { verdict: 'ok', taken: true, found: `${found}: the certificate was taken` }
    }
    default:
      throw new TypeError(`no such probe: ${JSON.stringify(probe satisfies never)}`)
  }
}

const CHECK_CREDENTIALS = 'Check the key or certificate, its team, and that it belongs to this app and environment.'
const TOPIC_OPEN = 'the topic is proven only by a real device: lhspn send --to TOKEN'

/** What the provider API's answer to a notification for nobody, or its silence, says about the credentials. */
export function judgeProvider(probe: Exclude<ProviderProbe, Unreached>): CredentialsFinding {
  switch (probe.kind) {
    case 'refused':
      return { ...REFUSED, found: `the client certificate, or that there is none, was refused with ${probe.detail}` }
    case 'closed': {
      if (probe.reason !== undefined) return judgeAnswer(undefined, probe.reason, 'ended the connection with')
      const found = 'the connection was ended without an answer'
      return { verdict: 'fail', taken: undefined, found, remedy: `Try again. ${CHECK_CREDENTIALS}` }
    }
    case 'silent': {
      const remedy = 'Try again; then look for a proxy or firewall that lets connections through, but no answers.'
      return { verdict: 'fail', taken: undefined, found: 'no answer came in time', remedy }
    }
    case 'answered': {
      if (probe.status !== 200) return judgeAnswer(probe.status, probe.reason, 'answered with')
      // Apple answers a token that cannot exist so as little as it delivers to it
      const found = `answered with 200, as only a simulator does: the credentials were taken; ${TOPIC_OPEN}`
      return { verdict: 'ok', taken: true, found }
    }
    default:
      throw new TypeError(`no such probe: ${JSON.stringify(probe satisfies never)}`)
  }
}

/** @param status undefined where the reason came with a GOAWAY */
function judgeAnswer(status: number | undefined, reason: string | undefined, how: string): CredentialsFinding {
  const facts = reason !== undefined && isProviderReason(reason) ? PROVIDER_REASONS[reason] : undefined
  const said = [reason, status].filter((part) => part !== undefined).join(', status ')
  const about = aboutProviderAnswer(status ?? facts?.status ?? 0, reason)
  if (about === 'token') {
    const found = `${how} ${said}, as is due for a token that cannot exist: the credentials were taken; ${TOPIC_OPEN}`
    return { verdict: 'ok', taken: true, found }
  }
  const found = facts === undefined ? `${how} ${said}` : `${how} ${said}: ${facts.meaning}`
  // the provider token was made for the question
  const byClock = reason === 'ExpiredProviderToken' ? 'Set the clock of this machine (NTP).' : undefined
  const remedy = byClock ?? facts?.remedy
  if (about === 'service') {
    return { verdict: 'warn', taken: undefined, found, remedy: remedy ?? 'Try again after a while.' }
  }
  return {
    verdict: 'fail',
    taken: about === 'credentials' ? false : undefined,
    found,
    remedy: remedy ?? CHECK_CREDENTIALS,
  }
}

/** Times of Apple's are compared with times of registrations, and provider tokens have an hour. */
const MOST_CLOCK_MS = 1000

/** What the date of an answer says about our clock. @param aheadMs by how much the server's is before ours */
export function judgeClock(aheadMs: number, host: string): Finding {
  if (Math.abs(aheadMs) <= MOST_CLOCK_MS) return { verdict: 'ok', found: `agrees with that of ${host}` }
  const found = `is ${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'behind' : 'ahead of'} that of ${host}`
  return { verdict: 'warn', found, remedy: 'Synchronize the clock of this machine (NTP).' }
}
