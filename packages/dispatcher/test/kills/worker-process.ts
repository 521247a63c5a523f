/**
 * A process that delivers until it is killed, or asked to end by SIGTERM: `node … worker-process.ts FILE`, where FILE holds
 * its WorkerSettings as JSON. It says `ready` when it has begun. The test beside it starts and kills such.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

import { type Database, openDatabase } from '@lhspn/database'
import { openDeviceStore } from '@lhspn/device-store'
import { openCertificate, openSigningKey, Sender } from '@lhspn/sender'

import { openBullMqQueue } from '../../src/chunk-queue/bullmq.ts'
import { EmbeddedQueue } from '../../src/chunk-queue/embedded.ts'
import { Dispatcher } from '../../src/dispatcher.ts'

export interface WorkerSettings {
  readonly databaseUrl: string
  /** Absent: the queue is embedded in the database. */
  readonly redisUrl?: string | undefined
  /** How Apple is reached. Keys and certificates are PEM. */
  readonly apple:
    | { readonly gateway: string; readonly certificate: string }
    | {
        readonly provider: string
        readonly app: string
        readonly key: string
        readonly keyId: string
        readonly teamId: string
        readonly connections: number
      }
  readonly ca: string
  readonly leaseMs: number
  readonly chunkSize: number
  readonly concurrency: number
}

const TRY_AGAIN_MS = 50
const DRAIN_MS = 10_000

const settings = JSON.parse(await readFile(process.argv[2] as string, 'utf8')) as WorkerSettings
const { databaseUrl, redisUrl, leaseMs, chunkSize, concurrency } = settings

// What it stands on may have been killed as well.
const database = await insist(() => openDatabase(databaseUrl))
const store = await insist(() => openDeviceStore(database))
const queue = await insist(() => openQueue(database))
const sender = openSender()
const dispatcher = new Dispatcher({
  store,
  queue,
  senderFor: () => sender,
  leaseMs,
  chunkSize,
  concurrency,
  onEvent: (event) => {
    if (event.kind === 'error') process.stderr.write(`${event.what}: ${String(event.error)}\n`)
    else if (event.kind === 'paused') process.stderr.write(`paused: ${event.because} ${String(event.error)}\n`)
  },
})
dispatcher.start()
process.stdout.write('ready\n')
process.once('SIGTERM', () => {
  void end()
})

function openSender(): Sender {
  const { apple, ca } = settings
  if ('gateway' in apple) {
    const credentials = openCertificate(Buffer.from(apple.certificate))
    return new Sender({ gateway: apple.gateway, ca, credentials, connections: 2 })
  }
  const { provider, app, key, keyId, teamId, connections } = apple
  return new Sender({ provider, app, ca, credentials: openSigningKey(key, { keyId, teamId }), connections })
}

async function openQueue(on: Database) {
  return redisUrl === undefined
    ? new EmbeddedQueue({ database: on, leaseMs })
    : openBullMqQueue({ database: on, redisUrl, leaseMs })
}

async function insist<T>(open: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await open()
    } catch {
      await delay(TRY_AGAIN_MS)
    }
  }
}

async function end(): Promise<void> {
  await dispatcher.drain(DRAIN_MS)
  await dispatcher.close()
  await sender.close()
  await store.close()
  await database.close()
}
