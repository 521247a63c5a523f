// h2load, the load generator of nghttp2, in C: not a client of APNs, but what a request costs where nobody has to know
// which notification it was. Every request is the same one.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { PAYLOAD, type ProviderClientFigures, type ProviderWorkload, TOPIC } from './provider-workload.ts'
import { MOST_STREAMS } from './raw-http2.ts'
import { providerTokenOf } from './signing-key.ts'
import { EXPIRATION, tokenAt } from './workload.ts'

const H2LOAD = '/usr/bin/h2load'
const TASKSET = '/usr/bin/taskset'
/** What a POSIX shell says of its children: minutes and seconds of user and of system time, in the second line. */
const TIMES = /^.*\n(\d+)m([\d.]+)s (\d+)m([\d.]+)s\n$/

/** Debian's package nghttp2-client has it. */
export const hasH2load = existsSync(H2LOAD)

/** @param core to pin it to */
export async function runH2load(workload: ProviderWorkload, core: number | undefined): Promise<ProviderClientFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-bench-'))
  try {
    const body = join(folder, 'payload.json')
    await writeFile(body, JSON.stringify(PAYLOAD))
    const command = [...(core === undefined ? [] : [TASKSET, '-c', `${core}`]), H2LOAD, ...options(workload, body)]
    const startedAt = Date.now()
    // the shell is what counts the time of the process
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', '"$@" >&2; times', 'sh', ...command])
    const endedAt = Date.now()
    const [, ...times] = TIMES.exec(stdout) ?? []
    const [userMinutes = NaN, user = NaN, systemMinutes = NaN, system = NaN] = times.map(Number)
    const cpu = ((userMinutes + systemMinutes) * 60 + user + system) * 1e6
    // what it says of its requests it says for people; the server has counted them
    return { cpu, startedAt, endedAt, peakRss: NaN, accepted: workload.notifications, rejected: 0, others: 0 }
  } finally {
    await rm(folder, { recursive: true })
  }
}

function options({ port, notifications, connections, signingKey }: ProviderWorkload, body: string): string[] {
  const headers = {
    authorization: `bearer ${providerTokenOf(signingKey)}`,
    'apns-topic': TOPIC,
    'apns-push-type': 'alert',
    'apns-priority': '10',
    'apns-expiration': `${EXPIRATION}`,
  }
  const plan = ['-n', `${notifications}`, '-c', `${connections}`, '-m', `${MOST_STREAMS}`, '-d', body]
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  return [...plan, ...fields, `https://127.0.0.1:${port}/3/device/${tokenAt(0, 0)}`]
}
