import { createHash } from 'node:crypto'

import { type Database, type DatabaseError } from '@lhspn/database'
import type { DeviceStore } from '@lhspn/device-store'
import { ulid } from 'ulid'

import { encodeTokens } from './chunk-members.ts'
import { DispatcherError } from './errors.ts'
import { newOwner } from './owner.ts'
import { chunkSizeOf, chunksOf } from './planned-chunks.ts'
import { rowOf } from './push-row.ts'
import type { PushRequest } from './push.ts'
import { findMade, keepMade, type KeyedRequest } from './statements/idempotency.ts'
import { holdPlan, insertChunks, type Planning } from './statements/plan.ts'
import { findNumber, insertPush } from './statements/pushes.ts'

/** 1 to 255 characters of ASCII, and no spaces around them. */
export const IDEMPOTENCY_KEY = /^[!-~]([ -~]{0,253}[!-~])?$/

export interface SubmitOptions {
  /** See IDEMPOTENCY_KEY: the same key with the same content, within 24 h, is the same push. */
  readonly idempotencyKey?: string | undefined
  /** The id of the API key that asks: every API key has idempotency keys of its own. */
  readonly apiKey?: string | undefined
}

export interface SubmitContext {
  readonly database: Database
  readonly store: DeviceStore
  readonly chunkSize: number
  readonly leaseMs: number
}

/** A push that is stored. */
export interface Submission {
  readonly number: number
  /** Whether it was stored before, by the same idempotency key. */
  readonly replayed: boolean
  /** With a stream: whoever stores it plans under this. */
  readonly planning: Planning | undefined
}

/**
 * Stores a push, with its idempotency key in the same transaction; explicit tokens become chunks in it at once.
 * @throws DispatcherError `audience-too-large`, `idempotency-mismatch`, `invalid-push`: nothing was stored. DatabaseError
 */
export async function submit(
  context: SubmitContext,
  request: PushRequest,
  options: SubmitOptions = {},
): Promise<Submission> {
  const keyed = keyedRequest(request, options)
  const replay = keyed === undefined ? undefined : await findReplay(context.database, keyed)
  if (replay !== undefined) return replay
  if (request.maxAudience !== null) checkAudience(request, await countAudience(context.store, request))
  const made = { id: `psh_${ulid()}`, owner: 'stream' in request.audience ? newOwner() : undefined }
  const submissionOf = (number: number): Submission => ({
    number,
    replayed: false,
    planning: made.owner === undefined ? undefined : { number, owner: made.owner },
  })
  try {
    return submissionOf(await keep(context, request, made, keyed))
  } catch (error) {
    const { code } = error as DatabaseError
    if (code === 'constraint' && keyed !== undefined) {
      const other = await findReplay(context.database, keyed)
      if (other !== undefined) return other
    }
    // The COMMIT may have happened: whether it has can be seen.
    if (code === 'connection-lost') {
      const number = await findNumber(context.database, made.id)
      if (number !== undefined) return submissionOf(number)
    }
    throw error
  }
}

/**
 * What the same idempotency key has stored; undefined: nothing, or there is none.
 * @throws DispatcherError `idempotency-mismatch`, `invalid-push`; DatabaseError
 */
export async function findSubmission(
  database: Database,
  request: PushRequest,
  options: SubmitOptions,
): Promise<Submission | undefined> {
  const keyed = keyedRequest(request, options)
  return keyed === undefined ? undefined : findReplay(database, keyed)
}

/** How many devices a push addresses now; undefined for a stream. @throws DatabaseError */
export async function countAudience(
  store: DeviceStore,
  { app, environment, audience }: Pick<PushRequest, 'app' | 'environment' | 'audience'>,
): Promise<number | undefined> {
  if ('stream' in audience) return undefined
  if ('tokens' in audience) return audience.tokens.length
  return store.countTokens({ app, environment, ...('filter' in audience && { filter: audience.filter }) })
}

/** @throws DispatcherError `audience-too-large` */
export function checkAudience({ maxAudience }: PushRequest, count: number | undefined): void {
  if (maxAudience === null || count === undefined || count <= maxAudience) return
  throw new DispatcherError(
    'audience-too-large',
    `The audience has ${count} devices, ${maxAudience} may be; nothing was sent`,
    'Look at the filter, or allow more.',
    { faults: [{ pointer: '/maxAudience', detail: `The audience has ${count} devices now.` }] },
  )
}

/** Answers the number of the push. */
function keep(
  { database, chunkSize, leaseMs }: SubmitContext,
  request: PushRequest,
  { id, owner }: { readonly id: string; readonly owner: bigint | undefined },
  keyed: KeyedRequest | undefined,
): Promise<number> {
  const { audience, rate } = request
  const chunks = 'tokens' in audience ? chunksOf(audience.tokens, chunkSizeOf(rate, chunkSize), encodeTokens) : []
  return database.transaction(async (transaction) => {
    const now = await transaction.now()
    const number = await insertPush(transaction, rowOf(request, { id, now, planning: !('tokens' in audience) }))
    if (keyed !== undefined) await keepMade(transaction, keyed, number)
    await insertChunks(transaction, number, 0, chunks)
    if (owner !== undefined) await holdPlan(transaction, { number, owner }, leaseMs)
    return number
  })
}

async function findReplay(database: Database, keyed: KeyedRequest): Promise<Submission | undefined> {
  const made = await findMade(database, keyed)
  if (made === undefined) return undefined
  if (made.isSame) return { number: made.push, replayed: true, planning: undefined }
  throw new DispatcherError(
    'idempotency-mismatch',
    'The idempotency key was used for another push within the last 24 hours; nothing was stored',
    'Give every push a key of its own, and repeat it only with the same content.',
  )
}

function keyedRequest(request: PushRequest, { idempotencyKey, apiKey = '' }: SubmitOptions): KeyedRequest | undefined {
  if (idempotencyKey === undefined) return undefined
  if (!IDEMPOTENCY_KEY.test(idempotencyKey))
    throw new DispatcherError(
      'invalid-push',
      'An idempotency key has 1 to 255 characters of ASCII, and no spaces around them',
      'Take a UUID.',
    )
  // What flows cannot be compared before it has flown.
  const audience = 'stream' in request.audience ? { stream: true } : request.audience
  const contentHash = createHash('sha256')
    .update(canonical({ ...request, audience }))
    .digest()
  return { apiKey, idempotencyKey, contentHash }
}

/** JSON whose keys are in order: the same text for what means the same. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inside: unknown) =>
    typeof inside === 'object' && inside !== null && !Array.isArray(inside)
      ? Object.fromEntries(Object.entries(inside).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : inside,
  )
}
