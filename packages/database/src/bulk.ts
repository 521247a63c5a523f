import { placeholders } from './dialect.ts'
import type { Parameter, Session } from './session.ts'

/** Rows a statement on MySQL. */
const INSERT_ROWS = 1000
/** Pairs of key columns that are ORed in one statement: more were slower than the same in two. */
const DELETE_ROWS = 450

/** Inserts rows; those whose key is there already change nothing. Give rows sorted by key: it avoids deadlocks. */
export async function insertMissing(
  session: Session,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly Parameter[])[],
): Promise<void> {
  const head = `INSERT INTO ${table} (${columns.join(', ')}) VALUES `
  const tail = ` ${session.dialect.ignoreDuplicates(columns[0] as string)}`
  const one = `(${placeholders(columns.length)})`
  if (session.dialect.name === 'sqlite') return session.executeMany(head + one + tail, rows)
  for (const part of parts(rows, INSERT_ROWS))
    await session.execute(head + Array(part.length).fill(one).join(', ') + tail, part.flat())
}

/**
 * Overwrites columns of rows that are there, found by their first column, the primary key. `fixed` are further columns
 * without a default, as they are: MySQL gets one INSERT with ON DUPLICATE KEY UPDATE, which asks for them.
 */
export async function overwrite(
  session: Session,
  table: string,
  columns: { readonly key: string; readonly fixed: readonly string[]; readonly written: readonly string[] },
  rows: readonly {
    readonly key: Parameter
    readonly fixed: readonly Parameter[]
    readonly written: readonly Parameter[]
  }[],
): Promise<void> {
  const { key, fixed, written } = columns
  if (session.dialect.name === 'sqlite') {
    const sql = `UPDATE ${table} SET ${written.map((name) => `${name} = ?`).join(', ')} WHERE ${key} = ?`
    return session.executeMany(
      sql,
      rows.map((row) => [...row.written, row.key]),
    )
  }
  const names = [key, ...fixed, ...written]
  const one = `(${placeholders(names.length)})`
  const set = written.map((name) => `${name} = VALUES(${name})`).join(', ')
  for (const part of parts(rows, INSERT_ROWS))
    await session.execute(
      `INSERT INTO ${table} (${names.join(', ')}) VALUES ${Array(part.length).fill(one).join(', ')} ON DUPLICATE KEY UPDATE ${set}`,
      part.flatMap((row) => [row.key, ...row.fixed, ...row.written]),
    )
}

/** Deletes the rows with these values in `columns`, the primary key. */
export async function deleteRows(
  session: Session,
  table: string,
  columns: readonly string[],
  rows: readonly (readonly Parameter[])[],
): Promise<void> {
  const one = `(${columns.map((name) => `${name} = ?`).join(' AND ')})`
  const head = `DELETE FROM ${table} WHERE `
  if (session.dialect.name === 'sqlite') return session.executeMany(head + one, rows)
  // Not (a, b) IN ((1, 2)): with one element MariaDB reads the whole table for it.
  for (const part of parts(rows, DELETE_ROWS))
    await session.execute(head + Array(part.length).fill(one).join(' OR '), part.flat())
}

/** Cuts a list into parts of at most `size`. */
export function* parts<T>(list: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size)
}
