import type { Database } from '@lhspn/database'
import { openDeviceStore } from '@lhspn/device-store'

import { ENVIRONMENTS, interfaceForSending } from '../app-config.ts'
import { notReachable } from '../apps.ts'
import type { Config } from '../config.ts'
import { failure } from '../finding.ts'
import type { Check } from './check.ts'

/** Of the devices of an app in an environment. */
const MANY_REFUSED = 0.05

/** Whether the devices of each app and environment can be reached. */
export async function* examineDevices(database: Database, config: Config): AsyncGenerator<Check, void, undefined> {
  const store = await openDeviceStore(database, { migrate: 'manual' })
  for (const app of config.apps) {
    for (const environment of ENVIRONMENTS) {
      const check = `devices ${app.topic} ${environment}`
      try {
        const query = { app: app.topic, environment }
        const count = await store.count(query)
        if (count === 0) continue
        const refused = await store.count({ ...query, refused: true })
        const found = `${count.toLocaleString('en-US')}, of which ${refused.toLocaleString('en-US')} refused`
        if (interfaceForSending(app, environment) === undefined) {
          const { remedy } = notReachable(app, environment)
          yield { check, verdict: 'warn', found: `${found}; they cannot be reached`, remedy }
        } else if (refused >= count * MANY_REFUSED && refused > 0) {
          const remedy = 'See whether they belong to the other environment: they are skipped until they register again.'
          yield { check, verdict: 'warn', found, remedy }
        } else yield { check, verdict: 'ok', found }
      } catch (error) {
        yield { check, ...failure(error) }
      }
    }
  }
}
