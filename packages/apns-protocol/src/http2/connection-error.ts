import { ProtocolError } from '../errors.ts'
import { http2ErrorName } from './frame.ts'

/**
 * A fault after which nothing on the connection can be read: `http2-connection-error`.
 *
 * @param http2Code what the GOAWAY says about it, one of `HTTP2_ERROR`
 * @param message what the peer did, as half a sentence
 */
export function connectionError(http2Code: number, message: string): ProtocolError {
  return new ProtocolError(
    'http2-connection-error',
    `${http2ErrorName(http2Code)}: ${message}`,
    'Close the connection and open another. If it happens again, check that the address is that of APNs and that no proxy in between alters what it sends.',
    { http2Code },
  )
}
