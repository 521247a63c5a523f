// Apple to pushes.ts, in a process of its own: it reads the device token of each notification, over both interfaces, and
// what it took is told by itself, not by who sent it.
import { renderHeaderBlock } from '@lhspn/apns-protocol/http2'

import { serveQuestions } from './child.ts'
import { NumberedRequests } from './numbered-requests.ts'
import { type AppleFacts, type AppleQuestion, type Audience, isDead, isGone } from './pushes-job.ts'
import { serveFrames } from './raw-frames.ts'
import { type Http2Counts, renderAnswer, renderUnregistered, serveHttp2 } from './raw-http2.ts'

const ACCEPTED = renderAnswer(renderHeaderBlock([[':status', '200']]))
const UNREGISTERED = renderUnregistered()

const http2: Http2Counts = { connections: 0, requests: 0, bytes: 0, violations: 0, firstViolation: undefined }
const ports = { providerPort: 0, gatewayPort: 0 }
let audience: Audience = { devices: 0, deadEvery: 1, pushes: 0, veterans: 0, dies: false }
/** How often each device was sent to. */
let times = new Uint8Array(0)
let accepted = 0
let dead = 0
let cpuBefore = process.cpuUsage()

serveQuestions(async (question: AppleQuestion): Promise<AppleFacts> => {
  if (question.kind === 'start') await listen(question.certificates)
  if (question.kind === 'expect') {
    audience = question.audience
    times = new Uint8Array(audience.devices)
    accepted = dead = http2.violations = 0
    cpuBefore = process.cpuUsage()
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  const { violations } = http2
  return { ...ports, accepted, dead, otherwise: countOtherwise(), violations, cpu: user + system }
})

async function listen(certificates: Extract<AppleQuestion, { kind: 'start' }>['certificates']): Promise<void> {
  ports.providerPort = await serveHttp2({
    certificate: certificates.server,
    counts: () => http2,
    delayMs: () => 0,
    handler: openRequests,
  })
  ports.gatewayPort = await serveFrames(certificates, {
    take: (bytes, _token, tokenEnd) => take(bytes.readUInt32BE(tokenEnd - 4)),
  })
}

function openRequests(): NumberedRequests {
  return new NumberedRequests((device, stream, connection) =>
    connection.answer(stream, take(device) ? ACCEPTED : UNREGISTERED),
  )
}

/** False: its token is dead. */
function take(device: number): boolean {
  times[device]!++
  if (isDead(audience, device)) {
    dead++
    return false
  }
  accepted++
  return true
}

function countOtherwise(): number {
  let otherwise = 0
  for (const [device, came] of times.entries()) if (came !== (isGone(audience, device) ? 0 : 1)) otherwise++
  return otherwise
}
