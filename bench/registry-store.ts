// The registry in a process of its own: its figures and its memory are the store's, the driver's and Node's alone.
import { monitorEventLoopDelay } from 'node:perf_hooks'

import { type Device, type DeviceStore, type Filter, openDeviceStore, type Query } from '@lhspn/device-store'

import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import { APP, Devices, type Found, PAGE } from './registry-devices.ts'
import {
  buildOf,
  inParallel,
  numbersOf,
  type ReadFigures,
  type SaveFigures,
  type SaveJob,
  startClocks,
  type StoreQuestion,
} from './registry-job.ts'

let store: DeviceStore
let devices: Devices

serveQuestions(async (question: StoreQuestion): Promise<ReadFigures | SaveFigures | object> => {
  switch (question.kind) {
    case 'open':
      devices = new Devices(question.devices)
      store = await openDeviceStore(question.url, { migrate: 'manual' })
      return {}
    case 'save':
      return save(question.job)
    case 'page':
      return measure(async () => {
        const { devices: found } = await store.page({ ...queryOf(question), limit: PAGE })
        return sumUp(found)
      })
    case 'count':
      return measure(async () => ({ devices: await store.count(queryOf(question)), sum: 0 }))
    case 'stream':
      return measure(() =>
        sumUpStream(store.find({ ...queryOf(question), limit: question.limit }), ({ attributes }) =>
          userOf(attributes),
        ),
      )
    case 'tokens':
      return measure(() =>
        sumUpStream(store.findTokens({ app: APP, environment: 'production' }), ({ token }) => numberOf(token)),
      )
    default:
      throw new TypeError(`no such question: ${JSON.stringify(question satisfies never)}`)
  }
})

function queryOf({ filter, everywhere = false }: { readonly filter?: Filter; readonly everywhere?: boolean }): Query {
  return { app: APP, environment: everywhere ? undefined : 'production', filter }
}

async function measure(read: () => Promise<Found>): Promise<ReadFigures> {
  const rss = process.memoryUsage.rss()
  const delays = monitorEventLoopDelay({ resolution: 1 })
  delays.enable()
  const startedAt = performance.now()
  const found = await read()
  const ms = performance.now() - startedAt
  delays.disable()
  return { ...found, ms, rss, peakRss: peakRss(), longestTurn: delays.max / 1e6 }
}

async function sumUpStream<T>(pages: AsyncIterable<readonly T[]>, number: (each: T) => number): Promise<Found> {
  let count = 0
  let sum = 0
  for await (const page of pages) {
    count += page.length
    for (const each of page) sum += number(each)
  }
  return { devices: count, sum }
}

function sumUp(found: readonly Device[]): Found {
  return { devices: found.length, sum: found.reduce((sum, { attributes }) => sum + userOf(attributes), 0) }
}

function userOf(attributes: Device['attributes']): number {
  return Number((attributes['user'] as string).slice(1))
}

/** Tokens end with the number of their device. */
function numberOf(token: string): number {
  return Number.parseInt(token.slice(-8), 16)
}

async function save(job: SaveJob): Promise<SaveFigures> {
  const registrations = numbersOf(devices, job).map((number) => devices.registration(number, buildOf(job)))
  let created = 0
  const calls = Math.ceil(registrations.length / job.batch)
  const clocks = startClocks()
  await inParallel(calls, job.callers, async (call) => {
    const saved = await store.save(registrations.slice(call * job.batch, (call + 1) * job.batch))
    for (const each of saved) if (each.created) created++
  })
  return { ...clocks(), created, known: job.count - created }
}
