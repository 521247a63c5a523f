import { openDeviceStore } from '../src/index.ts'
import { APP, token } from './fixtures.ts'

/**
 * Another process on the same database: saves devices from `first` on, one by one, each followed by a count of device
 * 0's badge. Tells each number that was answered, as a line.
 */
const [url = '', first = '', count = ''] = process.argv.slice(2)
const store = await openDeviceStore(url)
for (let n = Number(first); n < Number(first) + Number(count); n++) {
  await store.save([{ app: APP, token: token(n), attributes: { n, first } }])
  await store.incrementBadge(APP, [token(0)])
  process.stdout.write(`${n}\n`)
}
await store.close()
