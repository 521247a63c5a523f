// The loop that a team writes by hand: pages of devices out of MariaDB, each given to @parse/node-apn, and what became of
// them written back page by page. Where it was is not kept: ended midway, it begins anew.
import { createRequire } from 'node:module'

import { createPool, type Pool, type RowDataPacket } from 'mysql2/promise'

import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import { TOPIC } from './provider-workload.ts'
import { deviceOf, type PushFigures, type PushQuestion } from './pushes-job.ts'
import { ALERT, CUSTOM_KEYS, EXPIRATION } from './workload.ts'

/** What is used of it here. */
interface NodeApn {
  readonly Provider: new (options: object) => Provider
  readonly Notification: new () => object
}

interface Provider {
  send(notification: object, tokens: readonly string[]): Promise<Sent>
  shutdown(done: () => void): void
}

interface Sent {
  readonly sent: readonly object[]
  readonly failed: readonly { readonly device: string; readonly status?: number }[]
}

interface DeviceRow extends RowDataPacket {
  readonly id: number
  readonly token: string
  readonly badge: number
}

/** It is cheapest with these: 1,000 or 2,000, or up to eight pages at once, cost 6 to 50 % more. */
const PAGE = 250
const DEAD = 410

const apn: NodeApn = createRequire(import.meta.url)('@parse/node-apn')

serveQuestions(async ({ url, port, ca, signingKey, badges }: PushQuestion): Promise<PushFigures> => {
  const pool = createPool({ uri: url, connectionLimit: 1 })
  await pool.query('TRUNCATE by_hand_log')
  const rssBefore = process.memoryUsage.rss()
  const [cpuBefore, startedAt] = [process.cpuUsage(), performance.now()]
  const provider = new apn.Provider({ token: signingKey, address: '127.0.0.1', port, ca, production: true })
  const accepted = await sendToAll(pool, provider, badges)
  const seconds = (performance.now() - startedAt) / 1000
  const { user, system } = process.cpuUsage(cpuBefore)
  const rssPeak = peakRss()
  const [log] = await pool.query<RowDataPacket[]>('SELECT token, status FROM by_hand_log')
  const dead = log.filter(({ status }) => status === DEAD).map(({ token }) => deviceOf(token))
  await new Promise<void>((resolve) => provider.shutdown(resolve))
  await pool.end()
  const left = log.length - dead.length
  return { cpu: user + system, seconds, rssBefore, rssPeak, accepted, notAccepted: dead.length, left, dead }
})

async function sendToAll(pool: Pool, provider: Provider, badges: boolean): Promise<number> {
  const shared = notification()
  let accepted = 0
  for (let page = await readPage(pool, 0); page.length > 0; page = await readPage(pool, page.at(-1)?.id ?? 0)) {
    const tokens = page.map(({ token }) => token)
    const answers = badges ? await sendWithBadges(pool, provider, page) : [await provider.send(shared, tokens)]
    for (const { sent } of answers) accepted += sent.length
    await writeDown(
      pool,
      answers.flatMap(({ failed }) => failed),
    )
  }
  return accepted
}

async function readPage(pool: Pool, after: number): Promise<readonly DeviceRow[]> {
  const select = `SELECT id, token, badge FROM by_hand_device WHERE id > ? ORDER BY id LIMIT ${PAGE}`
  const [rows] = await pool.query<DeviceRow[]>(select, [after])
  return rows
}

/** It has one form for many tokens, and that takes no badge for each. */
async function sendWithBadges(pool: Pool, provider: Provider, page: readonly DeviceRow[]): Promise<readonly Sent[]> {
  const ids = [page[0]?.id, page.at(-1)?.id]
  await pool.query('UPDATE by_hand_device SET badge = badge + 1 WHERE id BETWEEN ? AND ?', ids)
  return Promise.all(page.map(({ token, badge }) => provider.send(notification(badge + 1), [token])))
}

async function writeDown(pool: Pool, failed: Sent['failed']): Promise<void> {
  if (failed.length === 0) return
  const rows = failed.map(({ device, status = 0 }) => [device, status])
  await pool.query('INSERT INTO by_hand_log (token, status) VALUES ?', [rows])
  const dead = rows.filter(([, status]) => status === DEAD).map(([token]) => token)
  if (dead.length > 0) await pool.query('DELETE FROM by_hand_device WHERE token IN (?)', [dead])
}

function notification(badge?: number): object {
  const fields = { topic: TOPIC, pushType: 'alert', priority: 10, expiry: EXPIRATION, alert: ALERT, sound: 'default' }
  return Object.assign(new apn.Notification(), fields, { badge, payload: CUSTOM_KEYS })
}
