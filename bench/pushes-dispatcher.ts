// Pushes to all devices of a database, one after the other, each from its request to its end, with the defaults of an
// installation, in a process of their own: figures and memory are those of the dispatcher, what is below it, and Node.
import { openDeviceStore } from '@lhspn/device-store'
import { Dispatcher, type DispatcherEvent, parsePushRequest, type StoredPush } from '@lhspn/dispatcher'
import { openCertificate, Sender } from '@lhspn/sender'

import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import { TOPIC } from './provider-workload.ts'
import { deviceOf, type PushFigures, type PushQuestion } from './pushes-job.ts'
import { ALERT, CUSTOM_KEYS } from './workload.ts'

/** A dispatcher at work, and the end of the push that it works at. */
interface Running {
  readonly dispatcher: Dispatcher
  readonly ended: () => Promise<void>
}

let running: Promise<Running> | undefined

serveQuestions(async (question: PushQuestion): Promise<PushFigures> => {
  running ??= start(question)
  const { dispatcher, ended } = await running
  const rssBefore = process.memoryUsage.rss()
  const [cpuBefore, startedAt] = [process.cpuUsage(), performance.now()]
  const completed = ended()
  const { push } = await dispatcher.submit(requestOf(question))
  await completed
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const rssPeak = peakRss()
  const { accepted, rejected, unregistered, unconfirmed, remaining } = (await dispatcher.get(push.id)).counts
  const dead = [
    ...(await readDead(dispatcher, push, 'rejected')),
    ...(await readDead(dispatcher, push, 'unregistered')),
  ]
  return {
    cpu: user + system,
    seconds,
    rssBefore,
    rssPeak,
    accepted,
    notAccepted: rejected + unregistered,
    left: unconfirmed + remaining,
    dead,
  }
})

/** It stays for all questions, as in a process that serves. */
async function start(question: PushQuestion): Promise<Running> {
  const store = await openDeviceStore(question.url, { migrate: 'manual' })
  const sender = openSender(question)
  let tell: ((event: DispatcherEvent) => void) | undefined
  const dispatcher = new Dispatcher({ store, senderFor: () => sender, onEvent: (event) => tell?.(event) })
  dispatcher.start()
  const ended = (): Promise<void> =>
    new Promise((resolve, reject) => {
      tell = (event) => {
        if (event.kind === 'completed') resolve()
        if (event.kind === 'error' || event.kind === 'paused') reject(event.error ?? new Error(event.kind))
      }
    })
  return { dispatcher, ended }
}

function openSender({ over, port, ca, signingKey, certificate }: PushQuestion): Sender {
  if (over === 'gateway')
    return new Sender({ gateway: `127.0.0.1:${port}`, ca, credentials: openCertificate(Buffer.from(certificate)) })
  return new Sender({ app: TOPIC, provider: `127.0.0.1:${port}`, ca, credentials: signingKey })
}

function requestOf({ over, badges }: PushQuestion) {
  const payload = { aps: { alert: ALERT, sound: 'default' }, ...CUSTOM_KEYS }
  const badge = badges ? 'increment' : undefined
  return parsePushRequest(
    { app: TOPIC, audience: { all: true }, payload, badge },
    { now: Date.now(), interfaceOf: () => over },
  )
}

async function readDead(
  dispatcher: Dispatcher,
  { id }: StoredPush,
  outcome: 'rejected' | 'unregistered',
): Promise<number[]> {
  const devices: number[] = []
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = await dispatcher.notifications(id, { outcome, limit: 1000, cursor })
    devices.push(...page.data.map(({ token }) => deviceOf(token)))
    cursor = page.nextCursor
  }
  return devices
}
