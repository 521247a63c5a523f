// One push to all devices of a database, from its request to its end, with the defaults of an installation, in a process
// of its own: its figures and its memory are those of the dispatcher, what is below it, and Node.
import { openDeviceStore } from '@lhspn/device-store'
import { Dispatcher, type DispatcherEvent, parsePushRequest, type StoredPush } from '@lhspn/dispatcher'
import { openCertificate, Sender } from '@lhspn/sender'

import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import { TOPIC } from './provider-workload.ts'
import { deviceOf, type PushFigures, type PushQuestion } from './pushes-job.ts'
import { ALERT, CUSTOM_KEYS } from './workload.ts'

serveQuestions(async (question: PushQuestion): Promise<PushFigures> => {
  const store = await openDeviceStore(question.url, { migrate: 'manual' })
  const sender = openSender(question)
  let tell!: (event: DispatcherEvent) => void
  const completed = new Promise<void>((resolve, reject) => {
    tell = (event) => {
      if (event.kind === 'completed') resolve()
      if (event.kind === 'error' || event.kind === 'paused') reject(event.error ?? new Error(event.kind))
    }
  })
  const dispatcher = new Dispatcher({ store, senderFor: () => sender, onEvent: (event) => tell(event) })
  dispatcher.start()
  const rssBefore = process.memoryUsage.rss()
  const [cpuBefore, startedAt] = [process.cpuUsage(), performance.now()]
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
  await dispatcher.close()
  await sender.close()
  await store.close()
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
