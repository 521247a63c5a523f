import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { HTTP2_ERROR, SETTING } from '@lhspn/apns-protocol/http2'
import { afterAll, expect, test } from 'vitest'

import { expectNoLeftovers, outcomesOf, range, tally } from './delivery.ts'
import { openProviderSender } from './provider-delivery.ts'
import { make } from './raw-frames.ts'
import { openRawServer } from './raw-http2-server.ts'

afterAll(expectNoLeftovers)

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const CONNECTIONS = 1000
const PER_CONNECTION = 5
/** Connections over which the least memory counts: how much garbage stands around at one moment is chance. */
const STRETCH = 100

test('a thousand GOAWAYs: every outcome is right, and a connection leaves nothing behind', async (context) => {
  const server = await openRawServer(context, {
    settings: [[SETTING.MAX_CONCURRENT_STREAMS, 2 * PER_CONNECTION]],
    request: (connection, { stream }) => {
      if (connection.requests.length > PER_CONNECTION) return
      connection.answer(stream, 200)
      if (connection.requests.length < PER_CONNECTION) return
      connection.write(make.goaway(stream, HTTP2_ERROR.NO_ERROR, '{"reason":"Shutdown"}'))
      connection.close()
      server.forget(connection)
    },
  })
  /** Bytes of the process at the opening of each connection. */
  const sizes: number[] = []
  const { sender } = await openProviderSender(context, server.address, {
    connectionsPerSecond: Infinity,
    onEvent: ({ kind }) => {
      if (kind !== 'connected') return
      if (sizes.length % 50 === 0) collect()
      sizes.push(process.memoryUsage.rss())
    },
  })
  const outcomes = await outcomesOf(sender.send([range(0, CONNECTIONS * PER_CONNECTION)]))
  expect(tally(outcomes)).toEqual({ accepted: CONNECTIONS * PER_CONNECTION })
  expect(sizes.length).toBe(CONNECTIONS)
  const [early, late] = [2 * STRETCH, CONNECTIONS].map((end) => Math.min(...sizes.slice(end - STRETCH, end)))
  expect((late as number) / (early as number)).toBeLessThan(1.1)
}, 300_000)
