import type { SenderError } from './errors.ts'
import type { Intake } from './intake.ts'
import type { Outbox } from './outbox.ts'

/** A connection, as engine and shell share it. */
export interface Link {
  /** Whether the socket has enough to send for now. Set by the shell. */
  blocked: boolean
  /** Bytes to be written before it is closed. */
  readonly lastWords?: Uint8Array | undefined
}

/** What happened, for whoever logs or counts. */
export type EngineEvent =
  /** Whether the gateway answers confirmation barriers, whenever that changes. */
  | { readonly kind: 'barriers'; readonly answered: boolean }
  | { readonly kind: 'resent'; readonly count: number; readonly cause: ResendCause }
  /** APNs announced that it ends a connection; `reason` where it gave one. */
  | { readonly kind: 'goaway'; readonly code: number; readonly reason: string | undefined }
  /** APNs seems not to be available: one notification at a time is tried until one is accepted (`holding` false). */
  | { readonly kind: 'hold'; readonly holding: boolean }
  /** The peer broke HTTP/2; the connection was closed. */
  | { readonly kind: 'protocol-error'; readonly message: string }

export type ResendCause =
  | 'error-response'
  | 'connection-lost'
  | 'goaway'
  | 'refused-stream'
  | 'retry-after'
  | 'provider-token'

/**
 * What decides on one interface. Pure: what happens to the connections, and the time, comes in by its methods; what is
 * to be opened, closed and written, and whose outcomes changed, is taken from it. Times named `now` are milliseconds on
 * any steady clock; `unixMs` is the time of day in milliseconds since 1970.
 */
export interface Engine<L extends Link> {
  /** The calls: where they are opened and ended, and which of them changed. */
  readonly intake: Intake
  /** What is to be opened, closed and told. */
  readonly outbox: Outbox<L>
  /** Whether nothing is in flight. */
  readonly idle: boolean

  opened(link: L, now: number): void
  received(link: L, bytes: Uint8Array, now: number): void
  /** The connection ended, or could not be opened; `error` says why, where anything is known. */
  closed(link: L, error: SenderError | undefined, now: number): void

  /** Lets time pass: whatever is due at `now` happens. */
  advance(now: number, unixMs: number): void
  /** When `advance` is to be called again, if nothing happens before; Infinity if nothing will be due. */
  wakeAt(): number
  /** The connection to be written to now, if there is one. */
  nextToWrite(now: number): L | undefined
  /**
   * Renders what is to be written on a connection into a buffer of at least 16 KiB.
   * @returns the number of bytes; 0 if what there was could not be sent
   */
  write(link: L, into: Uint8Array, now: number): number
}
