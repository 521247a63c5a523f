import {
  type Content,
  encodeRequestHeaders,
  MAX_REQUEST_BYTES,
  renderRequestHead,
  type RequestTarget,
} from '@lhspn/apns-protocol'
import { FRAME_HEADER_BYTES, HpackDecoder } from '@lhspn/apns-protocol/http2'

/** Stands in for the device token. */
const ANY_TOKEN = '00'.repeat(32)

/**
 * The header fields of a request to the provider API, read back out of the bytes that would be sent; but for the
 * provider token and the id, which are made when it is sent.
 * @param content one that can be sent
 * @param token what stands for the device token in the path: it is for people, and so shortened
 */
export function requestHeadersOf(
  content: Content,
  target: RequestTarget,
  token = '…',
): Readonly<Record<string, string>> {
  const bytes = new Uint8Array(MAX_REQUEST_BYTES)
  const head = renderRequestHead(content, target)
  const end = encodeRequestHeaders(bytes, 0, 1, head, ANY_TOKEN, undefined, undefined, false)
  const headers: Record<string, string> = {}
  const text = new TextDecoder()
  new HpackDecoder().decode(bytes, FRAME_HEADER_BYTES, end, {
    field(name, value, from, to) {
      const field = text.decode(value.subarray(from, to))
      headers[name] = name === ':path' ? field.replace(ANY_TOKEN, token) : field
    },
  })
  return headers
}
