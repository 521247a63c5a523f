import { setTimeout as delay } from 'node:timers/promises'

import { formatCount } from '../output.ts'
import { SIMULATED_TOPIC } from '../simulated-installation.ts'
import { must, refuseWrong } from './figures.ts'
import { makeDevices, planGatewayTrouble, planGone } from './plan.ts'
import type { Stage } from './stage.ts'
import { tableOf } from './table.ts'

const DEVICES = 250
/** The app's sandbox is on the binary gateway. */
const ENVIRONMENT = 'sandbox'
const EVERYBODY = { app: SIMULATED_TOPIC, environment: ENVIRONMENT } as const

/** The same over the binary gateway: a push with trouble on the way, and the feedback service. */
export async function showGateway(stage: Stage, seed: number): Promise<void> {
  const devices = makeDevices(seed, DEVICES)
  const created = await stage.registerAll(devices, ENVIRONMENT)
  const plan = planGatewayTrouble(await stage.audience(ENVIRONMENT))
  await stage.tell({ step: 4, devices: plan.tokens.length }, [
    `  4 over the binary gateway: sent to ${formatCount(plan.tokens.length, 'other device')}, with trouble on the way`,
  ])
  const { figures, marked } = await stage.push(plan, ENVIRONMENT, { all: true })
  await stage.tell({ ...figures, step: 4, refused: marked }, tableOf(figures, plan))
  refuseWrong([
    must(created, devices.length, 'registrations answered with 201'),
    must(plan.tokens.length, devices.length, 'devices in the audience'),
    ...figures.wrong,
    must(marked, plan.rejected.size, 'devices marked as refused'),
  ])
  await readFeedback(stage, devices)
}

async function readFeedback(stage: Stage, devices: ReturnType<typeof makeDevices>): Promise<void> {
  const { service, simulator, signal } = stage.parts
  const named = planGone(devices.map(({ token }) => token))
  const back = devices.find(({ token }) => token === named.at(-1))
  // Apple counts in seconds here; all of them registered before this one is over
  const at = Math.ceil((await stage.lastRegistration(named)) / 1000)
  while (Date.now() <= at * 1000) await delay(at * 1000 + 1 - Date.now(), undefined, { signal })
  const again = back === undefined ? undefined : await stage.register(back, ENVIRONMENT)
  simulator.script({ feedback: named.map((token) => ({ token, at })) })
  const { read, removed, kept } = await service.readFeedback(SIMULATED_TOPIC, ENVIRONMENT, signal)
  const second = await service.readFeedback(SIMULATED_TOPIC, ENVIRONMENT, signal)
  const left = await service.store.count(EVERYBODY)
  const tombstones = await Promise.all(named.map((token) => service.store.tombstone(SIMULATED_TOPIC, token)))
  await stage.tell({ step: 4, handedOut: named.length, read, removed, kept, again: second.read, left }, [
    `      read the feedback service: ${read} devices, the simulator handed out ${named.length}; read again: ${second.read}`,
    `      removed ${removed} devices, kept ${kept} that registered again`,
  ])
  refuseWrong([
    must(again?.status ?? 0, 200, 'status of the second registration'),
    must(read, named.length, 'devices from the feedback service'),
    must(removed, named.length - 1, 'devices removed'),
    must(kept, 1, 'devices kept'),
    must(second.read, 0, 'devices handed out twice'),
    must(left, devices.length - removed, 'devices in the registry'),
    must(tombstones.filter((each) => each?.cause === 'feedback').length, removed, 'tombstones'),
    must(simulator.journal.feedbackReads, 2, 'feedback reads that the simulator counted'),
  ])
}
