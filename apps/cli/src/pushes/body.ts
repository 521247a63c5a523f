import type { NotificationRecord, StoredPush } from '@lhspn/dispatcher'

/** A push as JSON has it: as the API answers it. */
export function toPushBody(push: StoredPush): object {
  return Object.fromEntries(Object.entries(push).filter(([name]) => name !== 'number'))
}

/** Columns of an export of records. */
export const RECORD_COLUMNS = {
  id: ({ id }: NotificationRecord) => id,
  push: ({ push }: NotificationRecord) => push,
  token: ({ token }: NotificationRecord) => token,
  outcome: ({ outcome }: NotificationRecord) => outcome ?? '',
  reason: ({ reason = '' }: NotificationRecord) => reason,
  since: ({ since }: NotificationRecord) => since?.toISOString() ?? '',
  remedy: ({ remedy = '' }: NotificationRecord) => remedy,
}
