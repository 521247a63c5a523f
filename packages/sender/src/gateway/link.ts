import { ErrorResponseDecoder } from '@lhspn/apns-protocol'

import { Window } from './window.ts'

/** The last identifier that a connection uses; they are 32 bits wide. */
const LAST_IDENTIFIER = 0xffff_0000

/** A confirmation barrier that was written on a connection. */
export interface Barrier {
  readonly identifier: number
  readonly at: number
  /** Written ahead of any notification, to learn whether the gateway answers barriers and takes our credentials. */
  readonly lone: boolean
  /** The window before it was full. */
  readonly full: boolean
}

/** One connection, as the engine sees it. The shell that owns the socket keeps it by this object. */
export class Link {
  readonly openingSince: number
  readonly window: Window
  readonly decoder = new ErrorResponseDecoder()
  /** When it became usable; undefined while it is being opened. */
  openedAt: number | undefined
  /** When something was last written or learnt on it. */
  usedAt = 0
  /** Whether the socket has enough to send for now. */
  blocked = false
  barrier: Barrier | undefined
  /** Its window gets a barrier as soon as there is something in it. */
  hurried = false

  constructor(now: number, window: Window) {
    this.openingSince = now
    this.window = window
  }

  /** Whether nothing was ever written on it. */
  get fresh(): boolean {
    return this.window.next === 1 && this.barrier === undefined
  }

  /** Whether its socket is up and further notifications may be written on it, now or when it is no longer blocked. */
  get writable(): boolean {
    return (
      this.openedAt !== undefined &&
      this.barrier === undefined &&
      !this.window.full &&
      this.window.next < LAST_IDENTIFIER
    )
  }
}
