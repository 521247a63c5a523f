import { PUSH_TYPES, renderPayload, shortenDeviceToken } from '@lhspn/apns-protocol'

import type { Context } from '../context.ts'
import type { Scope } from '../installation.ts'
import { formatCount } from '../output.ts'
import type { SendRequest } from './request.ts'
import { readTokenLines } from './token-lines.ts'

const SAMPLE = 5

/** Shows what would be sent; a stream of tokens is read to its end and counted. Nothing is opened but that. */
export async function preview(
  { content, tokens, warnings }: SendRequest,
  { app, environment }: Scope,
  { output, stdin }: Context,
): Promise<void> {
  let count = 0
  let refusedLines = 0
  const sample: string[] = []
  const batches =
    tokens === 'stdin'
      ? readTokenLines(stdin, (fault) => {
          refusedLines++
          output.fault(fault)
        })
      : [tokens]
  for await (const batch of batches) {
    count += batch.length
    sample.push(...batch.slice(0, SAMPLE - sample.length).map(shortenDeviceToken))
  }
  const { payload, pushType = 'alert', expiration } = content
  const priority = content.priority ?? PUSH_TYPES[pushType].defaultPriority
  const shown = {
    app: app.topic,
    environment,
    count,
    ...(tokens === 'stdin' && { refusedLines }),
    pushType,
    priority,
    expiration: expiration === 0 || expiration === undefined ? 0 : new Date(expiration * 1000).toISOString(),
    payloadBytes: renderPayload(payload).plain.length,
    payload,
    sample,
    warnings,
  }
  if (output.json) {
    await output.printJson(shown)
    return
  }
  await output.print(
    `${formatCount(count, 'notification')}  ${app.topic}  ${environment}  (dry run: nothing was sent)`,
    `  payload     ${formatCount(shown.payloadBytes)} bytes  ${JSON.stringify(payload)}`,
    `  push type   ${pushType}`,
    `  priority    ${priority}`,
    `  expiration  ${shown.expiration === 0 ? '0 (now or never)' : shown.expiration}`,
    `  tokens      ${sample.join(' ')}${count > sample.length ? ' …' : ''}`,
    ...(refusedLines > 0 ? [`  refused     ${formatCount(refusedLines)} lines, see above`] : []),
  )
}
