// The peers, in a process of their own: the bare driver doing what a save does, and the search of LHSPNservice.
import { serveQuestions } from './child.ts'
import { APP_ID, Devices } from './registry-devices.ts'
import { type Driver, openDriver, type Value } from './registry-driver.ts'
import {
  type BareQuestion,
  buildOf,
  inParallel,
  numbersOf,
  pairsOf,
  type SaveFigures,
  type SaveJob,
  startClocks,
} from './registry-job.ts'

/** What one registration writes, made before the clock starts: the driver has nothing to do but to run statements. */
interface Prepared {
  readonly token: Buffer
  readonly environment: number
  readonly attributes: string
  readonly gone: readonly bigint[]
  readonly come: readonly bigint[]
}

let url: string
let devices: Devices
const drivers: Driver[] = []

serveQuestions(async (question: BareQuestion): Promise<object> => {
  switch (question.kind) {
    case 'open':
      url = question.url
      devices = new Devices(question.devices)
      return {}
    case 'save':
      return save(question.job)
    case 'like':
      return like(question)
    default:
      throw new TypeError(`no such question: ${JSON.stringify(question satisfies never)}`)
  }
})

async function driversFor(callers: number): Promise<readonly Driver[]> {
  while (drivers.length < callers) drivers.push(await openDriver(url))
  return drivers
}

async function like({ like: condition, count }: Extract<BareQuestion, { kind: 'like' }>): Promise<object> {
  const [driver] = await driversFor(1)
  const what = count ? 'COUNT(*) AS n' : '*'
  const startedAt = performance.now()
  const rows = await driver?.query(`SELECT ${what} FROM LHSPNservice_devices WHERE isDev = 0 AND (${condition})`)
  const ms = performance.now() - startedAt
  return { ms, devices: count ? Number(rows?.[0]?.['n']) : rows?.length }
}

async function save(job: SaveJob): Promise<SaveFigures> {
  const prepared = numbersOf(devices, job).map((number): Prepared => ({
    token: Buffer.from(devices.token(number), 'hex'),
    environment: devices.isProduction(number) ? 0 : 1,
    attributes: JSON.stringify(devices.attributes(number, buildOf(job))),
    ...pairsOf(devices, job, number),
  }))
  // SQLite has one writer at a time, and its driver keeps this thread: more connections would only wait for each other.
  const callers = url.startsWith('sqlite:') ? 1 : job.callers
  const open = await driversFor(callers)
  const saveOne = url.startsWith('sqlite:') ? saveInSqlite : saveInMariaDb
  let created = 0
  const clocks = startClocks()
  await inParallel(prepared.length, callers, async (at, caller) => {
    if (await saveOne(open[caller] as Driver, prepared[at] as Prepared, job.kind === 'again')) created++
  })
  return { ...clocks(), created, known: job.count - created }
}

const INSERT = `INSERT INTO device
  (app_id, environment, token, platform, os_version, badge, withheld, attributes, created_at, updated_at)
  VALUES (?, ?, ?, 'ios', '18.1', 0, 0, '{}', ?, 0)`
const SELECT = `SELECT id, environment, token, platform, os_version, badge, withheld, refused_at, refused_reason,
  refused_push, attributes, created_at, updated_at FROM device WHERE app_id = ? AND token = ?`
const TOUCH = 'UPDATE device SET updated_at = ? WHERE id = ?'
const UPDATE = `UPDATE device SET environment = ?, platform = 'ios', os_version = '18.1', badge = ?, withheld = 0,
  refused_at = NULL, refused_reason = NULL, refused_push = NULL, attributes = ?, updated_at = ? WHERE id = ?`
const DELETE_PAIR = 'DELETE FROM device_attribute WHERE pair = ? AND device_id = ?'
const INSERT_PAIR = 'INSERT INTO device_attribute (pair, device_id) VALUES'

/** The transaction of a save, one statement after the other. Answers whether the device is new. */
async function saveInMariaDb(driver: Driver, each: Prepared, touch: boolean): Promise<boolean> {
  const now = Date.now()
  await driver.query('START TRANSACTION')
  await driver.query(`${INSERT} ON DUPLICATE KEY UPDATE app_id = app_id`, [APP_ID, each.environment, each.token, now])
  const [row] = await driver.query(`${SELECT} FOR UPDATE`, [APP_ID, each.token])
  const id = row?.['id'] as number
  if (touch) await driver.query(TOUCH, [now, id])
  else await driver.query(UPDATE, [each.environment, row?.['badge'] as number, each.attributes, now, id])
  for (const pair of each.gone) await driver.query(DELETE_PAIR, [pair, id])
  if (each.come.length > 0) {
    const values = each.come.map(() => '(?, ?)').join(', ')
    const rows: Value[] = each.come.flatMap((pair) => [pair, id])
    await driver.query(`${INSERT_PAIR} ${values} ON DUPLICATE KEY UPDATE pair = pair`, rows)
  }
  await driver.query('COMMIT')
  return row?.['updated_at'] === 0
}

async function saveInSqlite(driver: Driver, each: Prepared, touch: boolean): Promise<boolean> {
  const now = Date.now()
  await driver.query('BEGIN IMMEDIATE')
  await driver.query(`${INSERT} ON CONFLICT DO NOTHING`, [APP_ID, each.environment, each.token, now])
  const [row] = await driver.query(SELECT, [APP_ID, each.token])
  const id = row?.['id'] as number
  if (touch) await driver.query(TOUCH, [now, id])
  else await driver.query(UPDATE, [each.environment, row?.['badge'] as number, each.attributes, now, id])
  for (const pair of each.gone) await driver.query(DELETE_PAIR, [pair, id])
  for (const pair of each.come) await driver.query(`${INSERT_PAIR} (?, ?) ON CONFLICT DO NOTHING`, [pair, id])
  await driver.query('COMMIT')
  return row?.['updated_at'] === 0
}
