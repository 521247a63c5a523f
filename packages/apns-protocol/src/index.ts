export {
  checkContent,
  type Content,
  type ContentCheck,
  type ContentCheckOptions,
  type ContentFault,
  type Interface,
} from './content.ts'
export { MAX_TOKEN_BYTES, parseDeviceToken, shortenDeviceToken } from './device-token.ts'
export { type Fault, ProtocolError, type ProtocolErrorCode } from './errors.ts'
export { type Command, CommandDecoder, MAX_DECODED_FRAME_BYTES } from './gateway/command-decoder.ts'
export {
  BARRIER_BYTES,
  encodeBarrier,
  encodeCommand0,
  encodeCommand1,
  encodeNotification,
  MAX_FRAME_BYTES,
  MAX_GATEWAY_PAYLOAD_BYTES,
} from './gateway/command.ts'
export {
  encodeErrorResponse,
  ERROR_RESPONSE_BYTES,
  ERROR_STATUSES,
  type ErrorResponse,
  ErrorResponseDecoder,
  type ErrorStatus,
  type ErrorStatusFacts,
  type GatewayReason,
  isErrorStatus,
} from './gateway/error-response.ts'
export { encodeFeedback, FeedbackDecoder, type FeedbackTuple } from './gateway/feedback.ts'
export type { JsonValue } from './json.ts'
export {
  type AlertDictionary,
  type AlertParts,
  type Aps,
  type CriticalSound,
  type LocalizedText,
  makeAlert,
  MAX_BADGE,
  MAX_BADGE_DIGITS,
  type Payload,
  type PayloadBytes,
  renderPayload,
} from './payload.ts'
export {
  joinProviderToken,
  parseProviderToken,
  type ProviderClaims,
  type ReceivedProviderToken,
  signingInput,
} from './provider-api/provider-token.ts'
export {
  aboutProviderAnswer,
  isProviderReason,
  PROVIDER_REASONS,
  type ProviderReason,
  type ProviderReasonFacts,
} from './provider-api/reason.ts'
export { parseRequest, type ReceivedRequest } from './provider-api/request-parser.ts'
export {
  copyPayload,
  encodeRequest,
  encodeRequestHeaders,
  MAX_PROVIDER_PAYLOAD_BYTES,
  MAX_REQUEST_BYTES,
  payloadLength,
  renderAuthorization,
  renderRequestHead,
  type RequestHead,
  type RequestTarget,
} from './provider-api/request.ts'
export {
  type ErrorBody,
  MAX_ERROR_BODY_BYTES,
  parseErrorBody,
  parseGoawayReason,
  renderErrorBody,
} from './provider-api/response.ts'
export { isPushType, type Priority, PUSH_TYPES, type PushType, type PushTypeFacts, topicOf } from './push-type.ts'
