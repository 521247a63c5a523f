import type { Dialect } from './dialect.ts'
import type { Answer, Parameter } from './session.ts'

/** Runs statements on one connection, or on whichever is free. */
export interface Statements {
  execute(sql: string, parameters: readonly Parameter[]): Promise<Answer>
  executeMany(sql: string, rows: readonly (readonly Parameter[])[]): Promise<void>
}

/** What the two engines have in common; all that they throw is a DatabaseError. */
export interface Engine extends Statements {
  readonly dialect: Dialect
  /** Begins, works, commits: once. What `work` throws rolls back and comes out as it is. `deadline` on performance.now(). */
  transaction<T>(work: (statements: Statements) => Promise<T>, deadline: number): Promise<T>
  /** Holds a lock that no other process gets meanwhile; for migrations. */
  exclusive<T>(work: (statements: Statements) => Promise<T>): Promise<T>
  close(): Promise<void>
}
