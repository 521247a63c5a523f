import { isProviderReason, PROVIDER_REASONS } from '@lhspn/apns-protocol'

import { SenderError } from '../errors.ts'

/** Apple takes neither our certificate nor our key, or not for this app. */
export function credentialsRefused(reason: string | undefined, status?: number): SenderError {
  const facts = reason !== undefined && isProviderReason(reason) ? PROVIDER_REASONS[reason] : undefined
  const said = [reason, status === undefined ? undefined : `status ${status}`].filter((part) => part !== undefined)
  return new SenderError(
    'credentials-refused',
    `APNs refused the credentials: ${said.join(', ')}${facts === undefined ? '' : `. ${facts.meaning}`}`,
    facts?.remedy ?? 'Check the key or certificate, its team, and that it belongs to this app and environment.',
  )
}

/** Apple answered for a minute that it is not available. */
export function notAvailable(): SenderError {
  return new SenderError(
    'unavailable',
    'APNs answers that it is not available',
    'Send what came back as unsent again, at the time that its outcomes name.',
  )
}
