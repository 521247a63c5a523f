import { setTimeout as delay } from 'node:timers/promises'

import type { Interface } from '@lhspn/apns-protocol'
import { openDatabase } from '@lhspn/database'
import { openDeviceStore } from '@lhspn/device-store'
import { freshMysqlUrl, freshRedisUrl } from '@lhspn/test-servers/vitest'
import { expect, onTestFinished, test } from 'vitest'

import { openBullMqQueue } from '../src/chunk-queue/bullmq.ts'
import { Dispatcher, type DispatcherOptions } from '../src/dispatcher.ts'
import type { PushRequest, StoredPush } from '../src/push.ts'
import { APP, Delivery, numbers, token } from './delivery.ts'

const LEASE_MS = 5_000

/** Two machines that share a MariaDB and a Redis, and have nothing else in common. */
async function openMachines(over: Interface, options: Partial<DispatcherOptions> = {}) {
  const [url, redisUrl] = [await freshMysqlUrl(), await freshRedisUrl()]
  const world = await Delivery.open(url)
  const open = async (): Promise<Dispatcher> => {
    const database = await openDatabase(url)
    onTestFinished(() => database.close())
    const store = await openDeviceStore(database)
    const queue = await openBullMqQueue({ database, redisUrl, leaseMs: LEASE_MS })
    const sender = over === 'gateway' ? world.sender() : world.providerSender()
    const onEvent: DispatcherOptions['onEvent'] = (event) => world.events.push(event)
    const dispatcher = new Dispatcher({ store, queue, senderFor: () => sender, leaseMs: LEASE_MS, onEvent, ...options })
    onTestFinished(() => dispatcher.close())
    dispatcher.start()
    return dispatcher
  }
  return { world, machines: [await open(), await open()] as const }
}

function requestOf(tokens: readonly string[], rate: number | null = null): PushRequest {
  return {
    app: APP,
    environment: 'production',
    audience: { tokens },
    payload: { aps: { alert: 'Hello' } },
    pushType: 'alert',
    priority: 10,
    expiration: { afterMs: 3_600_000 },
    collapseId: null,
    badge: null,
    sendAt: null,
    rate,
    maxAudience: null,
    onUnconfirmed: 'report',
  }
}

async function end(dispatcher: Dispatcher, { id }: StoredPush): Promise<StoredPush> {
  let last: StoredPush | undefined
  for await (const push of dispatcher.watch(id)) last = push
  return last as StoredPush
}

test('a notification that is sent during a push to 200,000 devices does not wait for them', async () => {
  const { world, machines } = await openMachines('gateway')
  const [one, another] = machines
  const { journal } = world.apple
  const big = await one.submit(requestOf(numbers(200_000).map(token)))
  await journal.waitFor(({ accepted }) => accepted > 10_000)
  const single = token(1_000_000)
  const sent = performance.now()
  const { push } = await another.submit(requestOf([single]))
  await journal.waitFor(() => journal.acceptedTimes(single) > 0)
  expect(performance.now() - sent).toBeLessThan(2_000)
  expect(journal.accepted).toBeLessThan(200_000)
  expect((await end(one, push)).counts).toMatchObject({ planned: 1, accepted: 1 })
  expect((await end(another, big.push)).counts).toMatchObject({ planned: 200_000, accepted: 200_000 })
  expect(world.of('error')).toEqual([])
})

test('a rate holds in every 10 s across machines, also after a pause, over both interfaces', async () => {
  // Beside each other: it takes its time.
  await Promise.all([expectRate('gateway'), expectRate('provider-api')])
})

async function expectRate(over: Interface): Promise<void> {
  const rate = 250
  const { world, machines } = await openMachines(over, { chunkSize: 500 })
  const [one, another] = machines
  const { journal } = world.apple
  const arrived: { readonly at: number; readonly count: number }[] = []
  const watching = new AbortController()
  const watch = (async () => {
    while (!watching.signal.aborted) {
      arrived.push({ at: performance.now(), count: journal.accepted })
      await delay(20)
    }
  })()
  const { push } = await one.submit(requestOf(numbers(5_000).map(token), rate))
  await journal.waitFor(({ accepted }) => accepted > 1_200)
  await another.pause(push.id)
  await delay(3_000)
  await one.resume(push.id)
  expect((await end(another, push)).counts).toMatchObject({ planned: 5_000, accepted: 5_000 })
  watching.abort()
  await watch
  for (const [index, from] of arrived.entries()) {
    const to = arrived.findLast(({ at }) => at <= from.at + 10_000)
    expect((to?.count ?? 0) - from.count, `${over}, from sample ${index} on`).toBeLessThanOrEqual(rate * 10 * 1.05)
  }
  // Nor is it much slower: 20 s of sending, and the pause.
  const first = arrived.findLast(({ count }) => count === 0)?.at ?? 0
  const last = arrived.find(({ count }) => count === 5_000)?.at ?? Number.POSITIVE_INFINITY
  expect(last - first, `over the ${over}`).toBeLessThan(32_000)
}
