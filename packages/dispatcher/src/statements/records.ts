import { placeholders, type Session } from '@lhspn/database'

import type { SettledKind } from '../outcome-code.ts'

/** What became of the members of a chunk. */
export interface ChunkRecords {
  readonly seq: number
  readonly members: Uint8Array
  readonly outcomes: Uint8Array | null
}

export async function readPushName(session: Session, number: number): Promise<string | undefined> {
  const [row] = await session.query<{ id: string }>('SELECT id FROM push WHERE number = ?', [number])
  return row?.id
}

/** Chunks from `seq` on that have such outcomes at all: of this kind, with one of these reasons (their codes). */
export async function readChunkRecords(
  session: Session,
  wanted: {
    readonly number: number
    /** undefined: of any kind, or none yet. */
    readonly outcome: SettledKind | 'settled' | undefined
    readonly reasons: readonly number[] | undefined
  },
  seq: number,
  limit: number,
): Promise<readonly ChunkRecords[]> {
  const { number, outcome, reasons } = wanted
  if (reasons?.length === 0) return []
  const ofReason =
    reasons === undefined
      ? ''
      : `AND EXISTS (SELECT 1 FROM push_reason r WHERE r.push_number = c.push_number AND r.chunk_seq = c.seq
           AND r.reason IN (${placeholders(reasons.length)}) AND r.n > 0)`
  return session.query<ChunkRecords>(
    `SELECT c.seq, c.members, c.outcomes FROM chunk c WHERE c.push_number = ? AND c.seq >= ?
       ${outcome === undefined ? '' : `AND c.${outcome} > 0`} ${ofReason} ORDER BY c.seq LIMIT ${limit}`,
    [number, seq, ...(reasons ?? [])],
  )
}
