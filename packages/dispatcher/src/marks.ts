import type { Database } from '@lhspn/database'
import type { DeviceStore } from '@lhspn/device-store'

import { LeaseLost } from './checkpoints.ts'
import { decodeMembers } from './chunk-members.ts'
import { type ChunkOutcomes, judge } from './chunk-outcomes.ts'
import type { Lease } from './chunk-queue/chunk-queue.ts'
import { isMismatch, isUnwritten, outcomeOfCode } from './outcome-code.ts'
import { holdsLease, readJudgement } from './statements/checkpoint.ts'
import { untilDone } from './until-done.ts'

/** Below so many judged, a share says nothing. */
const FEWEST_JUDGED = 100
/** Devices marked in one transaction. */
const MARKS = 200

/** Whether so many tokens are refused that they cannot all be dead: they are of another environment. */
export function isMismatched(
  { settled, mismatched }: { readonly settled: number; readonly mismatched: number },
  share: number,
): boolean {
  return share < 1 && settled >= FEWEST_JUDGED && mismatched >= share * settled
}

/**
 * What may be done with the refused tokens of a chunk that is settled and written: marked, or nothing before more of the
 * push is judged; or the push goes to the wrong environment.
 */
export async function judgeRefused(
  database: Database,
  { push, checksMismatch }: Lease,
  outcomes: ChunkOutcomes,
  share: number,
): Promise<'mark' | 'later' | 'mismatch'> {
  if (!checksMismatch || outcomes.judged.settled >= FEWEST_JUDGED) return 'mark'
  const { settled, open, reasons } = await readJudgement(database, push.number)
  const unwritten = reasons.reduce((sum, [code, n]) => sum + (isUnwritten(code) ? n : 0), 0)
  const judged = { settled: settled - unwritten, mismatched: judge(reasons).mismatched }
  if (isMismatched(judged, share)) return 'mismatch'
  return judged.settled >= FEWEST_JUDGED || open === 0 ? 'mark' : 'later'
}

/** Whether a chunk has refused tokens at all. */
export function hasRefused(outcomes: ChunkOutcomes): boolean {
  return outcomes.judged.mismatched > 0
}

/**
 * Marks the devices whose token was refused, but not who has registered since the chunk was taken up. It may be
 * repeated. @throws LeaseLost, DatabaseError
 */
export async function markRefused(options: {
  readonly database: Database
  readonly store: DeviceStore
  readonly lease: Lease
  readonly outcomes: ChunkOutcomes
  readonly signal: AbortSignal
  readonly onError: (error: unknown) => void
}): Promise<void> {
  const { database, store, lease, outcomes } = options
  const { app, environment, id: push } = lease.push
  const members = decodeMembers(lease.members)
  const refused = Array.from({ length: lease.size }, (_, index) => index).filter((index) =>
    isMismatch(outcomes.codeAt(index)),
  )
  for (let at = 0; at < refused.length; at += MARKS) {
    const part = refused.slice(at, at + MARKS)
    await untilDone(async () => {
      const tokens =
        'tokens' in members ? part.map((index) => members.tokens[index]) : await tokensOf(members.ids, part)
      const marks = part.flatMap((index, place) => {
        const token = tokens[place]
        const reason = outcomeOfCode(outcomes.codeAt(index))?.reason
        return token === undefined || reason === undefined ? [] : [{ token, reason, push, since: lease.startedAt }]
      })
      await database.transaction(async (transaction) => {
        if (!(await holdsLease(transaction, lease))) throw new LeaseLost()
        await store.refuse(app, environment, marks, { in: transaction })
      })
    }, options)
  }

  async function tokensOf(ids: readonly number[], part: readonly number[]): Promise<readonly (string | undefined)[]> {
    const wanted = part.map((index) => ids[index] as number)
    const devices = await store.members(app, wanted)
    return wanted.map((id) => devices.get(id)?.token)
  }
}
