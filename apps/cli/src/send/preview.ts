import { PUSH_TYPES, renderPayload, shortenDeviceToken } from '@lhspn/apns-protocol'
import { DispatcherError } from '@lhspn/dispatcher'

import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import type { Scope } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { formatCount } from '../output.ts'
import type { SendRequest } from './request.ts'
import { readTokenLines } from './token-lines.ts'

const SAMPLE = 5

/** Whom it would go to. */
interface Sampled {
  readonly count: number
  /** Shortened. */
  readonly sample: readonly string[]
  /** Lines of stdin that are no tokens; undefined where nothing was piped in. */
  readonly refusedLines?: number
}

/**
 * Shows what would be sent. A stream of tokens is read to its end and counted; the database is opened for an audience
 * only, and nothing is sent.
 * @throws DispatcherError `audience-too-large`, as sending would
 */
export async function preview(request: SendRequest, scope: Scope, context: Context): Promise<ExitCode> {
  const { recipients } = request
  if ('stdin' in recipients) await show(request, scope, context, await readSample(context))
  else if ('tokens' in recipients) await show(request, scope, context, sampleOf(recipients.tokens))
  else return previewAudience(request, recipients, scope, context)
  return EXIT.done
}

function previewAudience(
  request: SendRequest,
  audience: Exclude<SendRequest['recipients'], { readonly stdin: true } | { readonly tokens: readonly string[] }>,
  scope: Scope,
  context: Context,
): Promise<ExitCode> {
  const query = {
    app: scope.app.topic,
    environment: scope.environment,
    ...('filter' in audience && { filter: audience.filter }),
  }
  return withService(scope.config, context, async ({ store }) => {
    const count = await store.count({ ...query, refused: false })
    const { maxAudience = count } = request
    if (count > maxAudience) {
      const message = `The audience has ${count} devices, ${maxAudience} may be; nothing would be sent`
      throw new DispatcherError('audience-too-large', message, 'Look at the filter, or allow more.')
    }
    const sample: string[] = []
    for await (const page of store.findTokens(query)) {
      sample.push(...page.slice(0, SAMPLE - sample.length).map(({ token }) => shortenDeviceToken(token)))
      if (sample.length === SAMPLE) break
    }
    await show(request, scope, context, { count, sample })
    return EXIT.done
  })
}

function sampleOf(tokens: readonly string[]): Sampled {
  return { count: tokens.length, sample: tokens.slice(0, SAMPLE).map(shortenDeviceToken) }
}

async function readSample({ output, stdin }: Context): Promise<Sampled> {
  let count = 0
  let refusedLines = 0
  const sample: string[] = []
  const batches = readTokenLines(stdin, (fault) => {
    refusedLines++
    output.fault(fault)
  })
  for await (const batch of batches) {
    count += batch.length
    sample.push(...batch.slice(0, SAMPLE - sample.length).map(shortenDeviceToken))
  }
  return { count, sample, refusedLines }
}

async function show(
  { content, badge, warnings }: SendRequest,
  { app, environment }: Scope,
  { output }: Context,
  { count, sample, refusedLines }: Sampled,
): Promise<void> {
  const { payload, pushType = 'alert', expiration } = content
  const priority = content.priority ?? PUSH_TYPES[pushType].defaultPriority
  const shown = {
    app: app.topic,
    environment,
    count,
    ...(refusedLines !== undefined && { refusedLines }),
    pushType,
    priority,
    expiration: expiration === 0 || expiration === undefined ? 0 : new Date(expiration * 1000).toISOString(),
    payloadBytes: renderPayload(payload).plain.length,
    payload,
    ...(badge !== undefined && { badge }),
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
    ...(badge === undefined ? [] : ["  badge       each device's own, counted up by one"]),
    `  push type   ${pushType}`,
    `  priority    ${priority}`,
    `  expiration  ${shown.expiration === 0 ? '0 (now or never)' : shown.expiration}`,
    `  tokens      ${sample.join(' ')}${count > sample.length ? ' …' : ''}`.trimEnd(),
    ...(refusedLines !== undefined && refusedLines > 0
      ? [`  refused     ${formatCount(refusedLines)} lines, see above`]
      : []),
  )
}
