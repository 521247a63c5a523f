import {
  type Content,
  encodeRequestHeaders,
  MAX_REQUEST_BYTES,
  renderRequestHead,
  type RequestTarget,
  shortenDeviceToken,
} from '@lhspn/apns-protocol'
import { FRAME_HEADER_BYTES, HpackDecoder } from '@lhspn/apns-protocol/http2'

/** Stands in for any token where none is known. */
const ANY_TOKEN = '00'.repeat(32)

/**
 * The header fields of a request to the provider API, read back out of the bytes that would be sent; but for the
 * provider token and the id, which are made when it is sent. The device token in the path is shortened.
 * @param content one that can be sent
 * @param token undefined: `…` stands for it
 */
export function requestHeadersOf(
  content: Content,
  target: RequestTarget,
  token: string | undefined,
): Readonly<Record<string, string>> {
  const sent = token ?? ANY_TOKEN
  const bytes = new Uint8Array(MAX_REQUEST_BYTES)
  const head = renderRequestHead(content, target)
  const end = encodeRequestHeaders(bytes, 0, 1, head, sent, undefined, undefined, false)
  const shown = token === undefined ? '…' : shortenDeviceToken(token)
  const headers: Record<string, string> = {}
  const text = new TextDecoder()
  new HpackDecoder().decode(bytes, FRAME_HEADER_BYTES, end, {
    field(name, value, from, to) {
      headers[name] = text.decode(value.subarray(from, to)).replace(sent, shown)
    },
  })
  return headers
}
