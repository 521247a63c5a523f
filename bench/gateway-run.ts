import type { Certificates } from '@lhspn/apns-simulator'

import { Child, CORES } from './child.ts'
import type { GatewayCounts, GatewayQuestion } from './raw-gateway.ts'
import { type ClientFigures, type ClientQuestion, rejections, type Workload } from './workload.ts'

/** A client with a job to do. */
export interface Contender {
  readonly name: string
  readonly program: string
  readonly job: Omit<Workload, 'port' | 'certificates'>
  /** Notifications sent before the run, by the same process. */
  readonly warmUp: number
}

export interface Run {
  /** Of the client's process, user and system, microseconds per notification. */
  readonly cpu: number
  readonly gatewayCpu: number
  /** Notifications a second. */
  readonly rate: number
  /** Bytes. */
  readonly peakRss: number
  /** Notifications that the gateway neither took nor rejected; negative if it took some twice. */
  readonly lost: number
  /** What client, gateway and job do not agree about. */
  readonly disagreements: readonly string[]
}

/** How often the gateway is asked, and how long nothing may arrive until the rest counts as lost. */
const [POLL_MS, PATIENCE_MS] = [10, 2000]

/** One raw gateway, and the runs against it. */
export class Arena {
  readonly #gateway = new Child<GatewayQuestion, GatewayCounts>('raw-gateway.ts', { core: CORES?.server })
  readonly #certificates: Certificates
  #port = 0

  constructor(certificates: Certificates) {
    this.#certificates = certificates
  }

  async open(): Promise<void> {
    const { ca, server } = this.#certificates
    this.#port = (await this.#gateway.ask({ kind: 'listen', certificates: { ca, server } })).port
  }

  close(): Promise<void> {
    return this.#gateway.stop()
  }

  /** One run in a process of its own, warmed up. */
  async run({ name, program, job, warmUp }: Contender): Promise<Run> {
    const { ca, client: pem } = this.#certificates
    const workload: Workload = { ...job, port: this.#port, certificates: { ca, client: pem } }
    const client = new Child<ClientQuestion, ClientFigures>(program, { core: CORES?.client })
    await this.#gateway.ask({ kind: 'reset' })
    await client.ask({ kind: 'send', workload: { ...workload, notifications: warmUp } })
    await this.#arrived(warmUp)
    await this.#gateway.ask({ kind: 'reset' })
    await client.ask({ kind: 'send', workload })
    const { notifications } = workload
    const counts = await this.#arrived(notifications)
    const figures = await client.ask({ kind: 'figures' })
    await client.stop()
    return {
      cpu: figures.cpu / notifications,
      gatewayCpu: counts.cpu / notifications,
      rate: (notifications * 1000) / ((figures.endedAt ?? counts.lastAt) - figures.startedAt),
      peakRss: figures.peakRss,
      lost: notifications - counts.accepted - counts.rejected,
      disagreements: disagreements(name, workload, figures, counts),
    }
  }

  /** Waits until the gateway has taken or rejected so many, or nothing comes any more. */
  async #arrived(notifications: number): Promise<GatewayCounts> {
    for (let waited = 0, last = -1; ; waited += POLL_MS) {
      const counts = await this.#gateway.ask({ kind: 'count' })
      const arrived = counts.accepted + counts.rejected
      if (arrived >= notifications || waited > PATIENCE_MS) return counts
      if (arrived > last) waited = 0
      last = arrived
      await new Promise((resolve) => {
        setTimeout(resolve, POLL_MS)
      })
    }
  }
}

function disagreements(name: string, workload: Workload, figures: ClientFigures, counts: GatewayCounts): string[] {
  const due = rejections(workload)
  const facts: [what: string, one: number | undefined, other: number][] = [
    ['accepted, to the client and to the gateway', figures.accepted, counts.accepted],
    ['rejected, to the client and to the gateway', figures.rejected, counts.rejected],
    ['accepted, to the gateway and as is due', counts.accepted, workload.notifications - due],
    ['rejected, to the gateway and as is due', counts.rejected, due],
    ['neither, to the client and as is due', figures.others, 0],
  ]
  return facts
    .filter(([, one, other]) => one !== other)
    .map(([what, ...pair]) => `${name}: ${what}: ${pair.join(', ')}`)
}
