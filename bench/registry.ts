// Claims of registry-find.ts (finds beside the search of LHSPNservice) and registry-save.ts (saves through the store and
// over HTTP beside the bare driver), on SQLite and on MariaDB, in one run over the same devices with 5 attributes each.
// Options: --devices N (default 1,000,000) · --database sqlite|mariadb (default both) · --quick has so few devices that
// only the counts mean anything.
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'

import { Devices } from './registry-devices.ts'
import { measureFinds } from './registry-find.ts'
import { loadRegistry, sortPairs } from './registry-load.ts'
import { measureSaves } from './registry-save.ts'
import { Verdict } from './verdict.ts'

const ENGINES = ['sqlite', 'mariadb'] as const

const { values } = parseArgs({
  options: {
    devices: { type: 'string' },
    database: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
})
const { quick } = values
const devices = new Devices(Number(values.devices ?? (quick ? 3000 : 1_000_000)))
if (!Number.isInteger(devices.count) || devices.count < 3000) throw new Error('--devices: 3,000 or more')
const sizes = quick ? { rounds: 1, singles: 64, batched: 300 } : { rounds: 5, singles: 1500, batched: 5000 }
const verdict = new Verdict({ judgesTimes: !quick })

const load = () => `load ${loadavg()[0]?.toFixed(2)}`
console.log(`${devices.count.toLocaleString('en')} devices with 5 attributes · Node ${process.version} · ${load()}`)
const pairs = sortPairs(devices)
for (const engine of ENGINES.filter((each) => (values.database ?? each) === each)) {
  const loaded = await loadRegistry(engine, devices, pairs)
  try {
    console.log(`\n${engine} · ${loaded.settings} · loaded in ${loaded.seconds.toFixed(0)} s · ${load()}`)
    await measureFinds(loaded, devices, verdict)
    console.log(load())
    await measureSaves(loaded, devices, verdict, sizes)
  } finally {
    await loaded.remove()
  }
}
console.log(`\n${load()}`)
process.exitCode = verdict.conclude()
