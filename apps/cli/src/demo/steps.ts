import { setTimeout as delay } from 'node:timers/promises'

import { explanationsOf } from '../explain/reasons.ts'
import { formatCount } from '../output.ts'
import { SIMULATED_TOPIC } from '../simulated-installation.ts'
import { must, refuseWrong } from './figures.ts'
import { showGateway } from './gateway-step.ts'
import { showKill } from './kill-step.ts'
import { makeDevices, planRefusals, planTrouble } from './plan.ts'
import type { Stage } from './stage.ts'
import { tableOf } from './table.ts'

const DEVICES = 1000
/** The app's production is on the provider API. */
const ENVIRONMENT = 'production'
const EVERYBODY = { app: SIMULATED_TOPIC, environment: ENVIRONMENT } as const

/** What the demo does, one step after the other. Each checks its figures before the next begins. */
export async function playSteps(stage: Stage, seed: number): Promise<void> {
  const devices = makeDevices(seed, DEVICES)
  const { simulator, server, installation } = stage.parts
  const { provider, gateway, feedback } = simulator
  await stage.tell({ provider, gateway, feedback, api: server.url, config: installation.config }, [
    `Simulated Apple: provider API ${provider}, gateway ${gateway}, feedback service ${feedback}`,
    `API ${server.url}, configuration ${installation.config}`,
  ])
  await registerDevices(stage, devices)
  const lost = await sendToFilter(stage, devices)
  // whoever was neither removed nor refused
  await sendToAll(stage, devices.length - lost)
  await showGateway(stage, seed + 1)
  await showKill(stage)
  await explain(stage)
}

type Devices = ReturnType<typeof makeDevices>

async function registerDevices(stage: Stage, devices: Devices): Promise<void> {
  const startedAt = performance.now()
  const created = await stage.registerAll(devices, ENVIRONMENT)
  const seconds = (performance.now() - startedAt) / 1000
  const stored = await stage.parts.service.store.count(EVERYBODY)
  await stage.tell({ step: 1, registered: created, stored, seconds: Number(seconds.toFixed(2)) }, [
    `  1 registered ${formatCount(created, 'device')} through PUT /v1/devices   ${seconds.toFixed(1)} s; the registry has ${formatCount(stored)}`,
  ])
  refuseWrong([
    must(created, devices.length, 'registrations answered with 201'),
    must(stored, devices.length, 'devices in the registry'),
  ])
}

/** @returns how many no push goes to any more: refused, or removed */
async function sendToFilter(stage: Stage, devices: Devices): Promise<number> {
  const { store } = stage.parts.service
  const due = devices.filter(({ attributes }) => attributes.plan === 'pro').length
  const plan = planRefusals(await stage.audience(ENVIRONMENT, ['plan', 'pro']))
  const { tokens, rejected, gone } = plan
  const since = await stage.lastRegistration([...gone])
  // one of those whose app is gone gets it again, after Apple found out, and before Apple tells
  const back = devices.find(({ token }) => token === [...gone].at(-1))
  while (Date.now() <= since) await delay(1, undefined, { signal: stage.parts.signal })
  const again = back === undefined ? undefined : await stage.register(back, ENVIRONMENT)
  await stage.tell({ step: 2, devices: tokens.length }, [
    `  2 sent to plan=pro: ${formatCount(tokens.length, 'device')}`,
  ])
  const { figures, marked, removed } = await stage.push(plan, ENVIRONMENT, { filter: ['plan', 'pro'] }, since)
  const refused = await store.count({ ...EVERYBODY, refused: true })
  const left = await store.count(EVERYBODY)
  const tombstones = await Promise.all([...gone].map((token) => store.tombstone(SIMULATED_TOPIC, token)))
  const kept = (await store.getMany(SIMULATED_TOPIC, [...gone])).filter((device) => device !== undefined)
  await stage.tell({ ...figures, step: 2, refused, removed, kept: kept.length, left }, [
    ...tableOf(figures, plan),
    `      refused ${refused} devices, which are skipped until they register again`,
    `      removed ${removed} devices, kept ${kept.length} that registered again after Apple's timestamp; the registry has ${formatCount(left)}`,
  ])
  refuseWrong([
    must(tokens.length, due, 'devices with plan=pro'),
    must(again?.status ?? 0, 200, 'status of the second registration'),
    ...figures.wrong,
    must(marked, rejected.size, 'devices marked as refused'),
    must(refused, rejected.size, 'refused devices in the registry'),
    must(removed, gone.size - 1, 'devices removed'),
    must(kept.filter((device) => device.token === back?.token).length, 1, 'devices that came back'),
    must(kept.length, 1, 'devices kept'),
    must(left, devices.length - removed, 'devices in the registry'),
    must(tombstones.filter((each) => each?.cause === 'unregistered').length, removed, 'tombstones'),
  ])
  return refused + removed
}

async function sendToAll(stage: Stage, due: number): Promise<void> {
  const plan = planTrouble(await stage.audience(ENVIRONMENT))
  await stage.tell({ step: 3, devices: plan.tokens.length }, [
    `  3 sent to all: ${formatCount(plan.tokens.length, 'device')}, with trouble on the way`,
  ])
  const { figures } = await stage.push(plan, ENVIRONMENT, { all: true })
  await stage.tell({ ...figures, step: 3 }, tableOf(figures, plan))
  refuseWrong([must(plan.tokens.length, due, 'devices in the audience'), ...figures.wrong])
}

async function explain(stage: Stage): Promise<void> {
  const [explanation] = explanationsOf('ConnectionLost')
  if (explanation === undefined) throw new TypeError('a reason of our own must be explained')
  const { reason, meaning, remedy } = explanation
  await stage.tell({ step: 6, ...explanation }, [`  6 lhspn explain ${reason}: ${meaning}`, `      ${remedy}`])
}
