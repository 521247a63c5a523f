import type { Dialect } from './dialect.ts'

/** What a `?` may stand for. Bytes are `Uint8Array`; numbers are finite; a bigint has at most 64 bits with its sign. */
export type Parameter = string | number | bigint | Uint8Array | null

/** Values by column. Whole numbers above 2^53 must not be read back: SQLite would refuse them. */
export type Row = Readonly<Record<string, string | number | Uint8Array | null>>

/** What a statement answered. */
export interface Answer {
  readonly rows: readonly Row[]
  /** Rows that an INSERT, UPDATE or DELETE matched; of an upsert the engines count differently. */
  readonly changes: number
  /** Id that a one-row INSERT made. */
  readonly insertId: number | undefined
}

/** Where statements run: the database itself, each by itself, or an open transaction. */
export interface Session {
  readonly dialect: Dialect
  /** Runs one statement of fixed text. Values go into `parameters`, never into the text. @throws DatabaseError */
  execute(sql: string, parameters?: readonly Parameter[]): Promise<Answer>
  /** Runs one statement once per row of parameters, in order. */
  executeMany(sql: string, rows: readonly (readonly Parameter[])[]): Promise<void>
  /** Rows of a SELECT. `R` is trusted: it says what the statement selects. */
  query<R = Row>(sql: string, parameters?: readonly Parameter[]): Promise<readonly R[]>
  /** The database's clock, in ms since 1970. */
  now(): Promise<number>
}

/** An open transaction. It is over when the work that it was handed to has ended; it then refuses statements. */
export interface Transaction extends Session {
  readonly open: boolean
}
