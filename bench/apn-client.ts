// Sends a workload through apn 1.7.8, the last release of node-apn that spoke to the binary gateway. It has no
// backpressure and never learns that a notification was accepted; here its own queue is kept short, which it is fastest with.
import { createRequire } from 'node:module'
import util from 'node:util'

import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import { ALERT, badgeAt, CUSTOM_KEYS, EXPIRATION, tokenAt, type Workload } from './workload.ts'
import type { ClientFigures, ClientQuestion } from './workload.ts'

/** What is used of it here. */
interface Apn {
  readonly Connection: new (options: object) => ApnConnection
  readonly Notification: new (payload: object) => object
}
interface ApnConnection extends NodeJS.EventEmitter {
  readonly notificationBuffer: readonly object[]
  pushNotification(notification: object, token: string): void
}

const QUEUE = 2000
const REFILL_AT = 1000

process.noDeprecation = true
Object.assign(util, { isArray: Array.isArray }) // it calls this; Node 23 took it away
const require = createRequire(import.meta.url)
const apn: Apn = require('apn')

let connection: ApnConnection | undefined
let rejected = 0
let others = 0
let startedAt = 0
let cpuBefore = process.cpuUsage()

serveQuestions(async (question: ClientQuestion): Promise<ClientFigures> => {
  if (question.kind === 'send') {
    connection ??= connect(question.workload)
    rejected = 0
    startedAt = Date.now()
    cpuBefore = process.cpuUsage()
    await push(connection, question.workload)
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    cpu: user + system,
    startedAt,
    endedAt: undefined,
    peakRss: peakRss(),
    accepted: undefined,
    rejected,
    others,
  }
})

function connect({ port, certificates: { ca, client: pem }, apnOptions }: Workload): ApnConnection {
  const made = new apn.Connection({ address: '127.0.0.1', port, ca: [ca], cert: pem, key: pem, ...apnOptions })
  made.on('transmissionError', (status: number) => {
    if (status === 8) rejected++
    else others++
  })
  for (const event of ['error', 'socketError']) made.on(event, (error: Error) => console.error('apn:', error.message))
  return made
}

/** Resolves when the library's queue is empty for the first time; a rejection that comes later fills it again. */
function push(to: ApnConnection, workload: Workload): Promise<void> {
  const { notifications, rejectEvery } = workload
  let next = 0
  let filling = false
  const fill = () => {
    filling = true
    while (next < notifications && to.notificationBuffer.length < QUEUE) {
      to.pushNotification(notification(badgeAt(next)), tokenAt(next, rejectEvery))
      next++
    }
    filling = false
  }
  return new Promise((resolve) => {
    const transmitted = () => {
      if (filling || to.notificationBuffer.length > REFILL_AT) return
      if (next < notifications) fill()
      else if (to.notificationBuffer.length === 0) {
        to.off('transmitted', transmitted)
        resolve()
      }
    }
    to.on('transmitted', transmitted)
    fill()
  })
}

function notification(badge: number): object {
  const made = new apn.Notification({ ...CUSTOM_KEYS })
  return Object.assign(made, { alert: ALERT, sound: 'default', expiry: EXPIRATION, badge })
}
