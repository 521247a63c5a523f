import { type Content, MAX_BADGE, payloadLength, renderPayload, shortenDeviceToken } from '@lhspn/apns-protocol'
import { contentAt } from '@lhspn/dispatcher'
import { openSender, sendingInterface, serverOf } from '@lhspn/service'

import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import type { Scope } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { formatCount } from '../output.ts'
import { requestHeadersOf } from './request-headers.ts'
import type { SendRequest } from './request.ts'
import { readTokenLines } from './token-lines.ts'

const SAMPLE = 5

/** Whom it would go to. */
interface Sampled {
  readonly count: number
  /** Device tokens, shortened. */
  readonly sample: readonly string[]
  /** Lines of stdin that are no tokens; undefined where nothing was piped in. */
  readonly refusedLines?: number
}

/**
 * Shows what would be sent. A stream of tokens is read to its end and counted; the database is opened for an audience
 * only; credentials are read, but nobody is connected to.
 * @throws DispatcherError `audience-too-large`; ServiceError and SenderError about credentials: as sending would
 */
export async function preview(request: SendRequest, scope: Scope, context: Context): Promise<ExitCode> {
  const { recipients, refusal } = request
  if (refusal !== undefined) throw refusal
  await using _ = await openSender(scope.config, scope.app, scope.environment)
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
  return withService(scope.config, context, async ({ dispatcher }) => {
    const push = { ...request.push, audience }
    const { count, sample } = await dispatcher.preview(push, sendingInterface(scope.app, scope.environment))
    // only a stream has none
    await show(request, scope, context, { count: count ?? 0, sample })
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
  { push, warnings }: SendRequest,
  scope: Scope,
  { output }: Context,
  { count, sample, refusedLines }: Sampled,
): Promise<void> {
  const { payload, pushType, priority, badge } = push
  const content = contentAt(push, Date.now())
  const { expiration, collapseId } = content
  const { app, environment } = scope
  const { server, ...way } = wayOf(content, scope, sample[0])
  const shown = {
    app: app.topic,
    environment,
    count,
    ...(refusedLines !== undefined && { refusedLines }),
    ...way,
    pushType,
    priority,
    expiration: expiration === 0 || expiration === undefined ? 0 : new Date(expiration * 1000).toISOString(),
    ...(collapseId !== undefined && { collapseId }),
    // as many as it has with the greatest badge, where each device has its own
    payloadBytes: payloadLength(renderPayload(payload), badge === null ? undefined : MAX_BADGE),
    payload,
    ...(badge !== null && { badge }),
    sample,
    warnings,
  }
  if (output.json) {
    await output.printJson(shown)
    return
  }
  const { headers = {} } = shown
  await output.print(
    `${formatCount(count, 'notification')}  ${app.topic}  ${environment}  (dry run: nothing was sent)`,
    `  payload     ${formatCount(shown.payloadBytes)} bytes${badge === null ? '' : ' at most'}  ${JSON.stringify(payload)}`,
    ...(badge === null ? [] : ["  badge       each device's own, counted up by one"]),
    `  push type   ${pushType}`,
    `  priority    ${priority}`,
    `  expiration  ${shown.expiration === 0 ? '0 (now or never)' : shown.expiration}`,
    ...(collapseId === undefined ? [] : [`  collapse id ${collapseId}`]),
    `  sent to     ${server}`,
    ...Object.entries(headers).map(([name, value]) => `    ${name}: ${value}`),
    `  tokens      ${sample.join(' ')}${count > sample.length ? ' …' : ''}`.trimEnd(),
    ...(refusedLines !== undefined && refusedLines > 0
      ? [`  refused     ${formatCount(refusedLines)} lines, see above`]
      : []),
  )
}

/** The interface, its address, and on the provider API the headers. */
function wayOf(content: Content, { app, environment }: Scope, token: string | undefined) {
  if (sendingInterface(app, environment) === 'gateway') {
    const address = serverOf(app, environment, 'gateway')
    return { interface: 'gateway', server: `the gateway ${address}` } as const
  }
  const address = serverOf(app, environment, 'provider')
  const authority = address.replace(/:443$/, '')
  const headers = requestHeadersOf(content, { topic: app.topic, authority }, token)
  return { interface: 'provider-api', server: `the provider API ${address}`, headers } as const
}
