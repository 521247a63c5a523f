export {
  CONNECTION_PREFACE,
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  encodeFrameHeader,
  encodeGoaway,
  encodePing,
  encodeRstStream,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  HTTP2_ERROR,
  http2ErrorName,
  MAX_U31,
  SETTING,
} from './frame.ts'
export { encodeString, encodeTableSizeUpdate, type HeaderField, renderHeaderBlock } from './hpack-encoder.ts'
export { FrameDecoder, type FrameDecoderOptions, type FrameSink } from './frame-decoder.ts'
export { type HeaderSink, HpackDecoder, type HpackDecoderOptions } from './hpack-decoder.ts'
export { huffmanEncode } from './huffman.ts'
