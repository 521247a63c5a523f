/**
 * The gateway's only answer, six bytes, at most one per connection, then it closes (Apple, Binary Provider API):
 * 8 · status u8 · identifier u32 big-endian. Accepted notifications get none.
 */
import { readU32, writeU32 } from '../big-endian.ts'
import { ProtocolError } from '../errors.ts'

/** What Apple states about a status. */
export interface ErrorStatusFacts {
  readonly name: string
  /** Whose fault it is. */
  readonly about: 'token' | 'content' | 'credentials' | 'service'
  readonly meaning: string
  readonly remedy: string
}

/**
 * Apple's statuses. With every one but 10 the identifier names the notification that was refused (0 may mean
 * "unknown"); what was written before it was taken, what was written after it was discarded. With 10 it names the last
 * one that was taken.
 */
export const ERROR_STATUSES = {
  0: {
    name: 'NoError',
    about: 'service',
    meaning: 'No errors encountered; it closes the connection all the same, and what it took is not known.',
    remedy: 'Nothing to repair. What was not confirmed may have to be sent again.',
  },
  1: {
    name: 'ProcessingError',
    about: 'service',
    meaning: 'An error on Apple’s side while it processed this notification.',
    remedy: 'Send the notification again after a while.',
  },
  2: {
    name: 'MissingDeviceToken',
    about: 'token',
    meaning: 'The notification has no device token, or an empty one. Also the answer to a confirmation barrier.',
    remedy: 'Remove the empty token where it is stored.',
  },
  3: {
    name: 'MissingTopic',
    about: 'credentials',
    meaning: 'The gateway found no topic; over this interface it comes from the client certificate.',
    remedy: 'Use the push certificate of the app.',
  },
  4: {
    name: 'MissingPayload',
    about: 'content',
    meaning: 'The notification has no payload.',
    remedy: 'Give a payload with "aps".',
  },
  5: {
    name: 'InvalidTokenSize',
    about: 'token',
    meaning: 'The device token has a length that the gateway does not take.',
    remedy: 'Check that the token was stored whole and as hex.',
  },
  6: {
    name: 'InvalidTopicSize',
    about: 'credentials',
    meaning: 'The topic in the client certificate has a length that the gateway does not take.',
    remedy: 'Use the push certificate of the app.',
  },
  7: {
    name: 'InvalidPayloadSize',
    about: 'content',
    meaning: 'The payload is larger than the gateway takes: 2048 bytes, on old ones 256.',
    remedy: 'Shorten the alert or drop keys of your own.',
  },
  8: {
    name: 'InvalidToken',
    about: 'token',
    meaning: 'The gateway does not know this device token; often it belongs to the other environment or app.',
    remedy: 'Check environment and certificate; if they are right, remove the token.',
  },
  10: {
    name: 'Shutdown',
    about: 'service',
    meaning: 'The gateway closes for maintenance. The notification it names was taken, all later ones were not.',
    remedy: 'Connect again and send what came after the named one.',
  },
  128: {
    name: 'ProtocolError',
    about: 'service',
    meaning: 'The gateway could not parse the bytes. Its identifier proves nothing.',
    remedy: 'Report it: the frame was malformed, or something between changed the bytes.',
  },
  255: {
    name: 'Unknown',
    about: 'service',
    meaning: 'The gateway refused the notification and does not say why.',
    remedy: 'Send it again once; if it fails again, look at its token and payload.',
  },
} as const satisfies Record<number, ErrorStatusFacts>

/** A status that Apple documents. */
export type ErrorStatus = keyof typeof ERROR_STATUSES
/** Name of a documented status. */
export type GatewayReason = (typeof ERROR_STATUSES)[ErrorStatus]['name']

/** Whether Apple documents this status. */
export function isErrorStatus(status: number): status is ErrorStatus {
  return Object.hasOwn(ERROR_STATUSES, status)
}

export interface ErrorResponse {
  /** u8, documented or not. */
  readonly status: number
  /** u32; see {@link ERROR_STATUSES} for what it names. */
  readonly identifier: number
}

export const ERROR_RESPONSE_BYTES = 6
const ERROR_COMMAND = 8

/** The six bytes of an error response: status u8, identifier u32. */
export function encodeErrorResponse(status: number, identifier: number): Uint8Array {
  const bytes = new Uint8Array(ERROR_RESPONSE_BYTES)
  bytes[0] = ERROR_COMMAND
  bytes[1] = status
  writeU32(bytes, 2, identifier)
  return bytes
}

/** Reads one connection's error response out of chunks cut anywhere. Holds five bytes at most. */
export class ErrorResponseDecoder {
  readonly #bytes = new Uint8Array(ERROR_RESPONSE_BYTES)
  #held = 0
  #broken: ProtocolError | undefined

  /** Bytes that came of an error response not yet whole: more than 0 when the connection ends means it was cut. */
  get held(): number {
    return this.#held === ERROR_RESPONSE_BYTES ? 0 : this.#held
  }

  /**
   * Answers the error response when its sixth byte comes, once; what follows it means nothing and is ignored.
   *
   * @throws ProtocolError `malformed-frame` if the first byte is not 8; every later call throws it again
   */
  push(chunk: Uint8Array): ErrorResponse | undefined {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#held === ERROR_RESPONSE_BYTES || chunk.length === 0) return undefined
    if (this.#held === 0 && chunk[0] !== ERROR_COMMAND) {
      this.#broken = new ProtocolError(
        'malformed-frame',
        `the gateway answered with command ${chunk[0]} where only ${ERROR_COMMAND} exists`,
        'Check that the address is that of a binary push gateway.',
      )
      throw this.#broken
    }
    for (const byte of chunk.subarray(0, ERROR_RESPONSE_BYTES - this.#held)) this.#bytes[this.#held++] = byte
    if (this.#held < ERROR_RESPONSE_BYTES) return undefined
    return { status: this.#bytes[1]!, identifier: readU32(this.#bytes, 2) }
  }
}
