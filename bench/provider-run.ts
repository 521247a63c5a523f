import type { Certificates } from '@lhspn/apns-simulator'

import { Child, CORES } from './child.ts'
import { runH2load } from './h2load.ts'
import type { ProviderClientFigures, ProviderClientQuestion, ProviderWorkload } from './provider-workload.ts'
import type { ProviderBehaviour, ProviderCounts, ProviderQuestion } from './raw-provider.ts'
import { createSigningKey } from './signing-key.ts'

/** A client with a job to do. */
export interface ProviderContender {
  readonly name: string
  /** A program of this folder, or h2load, which has one of its own. */
  readonly program: string
  readonly job: Pick<ProviderWorkload, 'notifications' | 'badges' | 'connections'>
  readonly server: ProviderBehaviour
  /** Notifications sent before the run, by the same process. */
  readonly warmUp: number
}

export interface ProviderRun {
  /** Of the client's process, user and system, microseconds per notification. */
  readonly cpu: number
  readonly serverCpu: number
  /** Notifications a second. */
  readonly rate: number
  /** Bytes; NaN where nobody counted it. */
  readonly peakRss: number
  /** Of the client's frames, without TLS. */
  readonly bytesPerRequest: number
  readonly connections: number
  /** What it did that Apple or RFC 9113 forbids. */
  readonly violations: number
  /** What client, server and job do not agree about. */
  readonly disagreements: readonly string[]
}

/** One raw server, and the runs against it. */
export class ProviderArena {
  readonly #server = new Child<ProviderQuestion, ProviderCounts>('raw-provider.ts', { core: CORES?.server })
  readonly #certificates: Certificates
  readonly #signingKey = createSigningKey()
  #port = 0

  constructor(certificates: Certificates) {
    this.#certificates = certificates
  }

  async open(): Promise<void> {
    this.#port = (await this.#server.ask({ kind: 'listen', certificate: this.#certificates.server })).port
  }

  close(): Promise<void> {
    return this.#server.stop()
  }

  /** One run in a process of its own, warmed up. */
  async run(contender: ProviderContender): Promise<ProviderRun> {
    const { program, job, server: behaviour, warmUp } = contender
    const { rejectEvery } = behaviour
    const { ca } = this.#certificates
    const workload = { ...job, rejectEvery, port: this.#port, ca, signingKey: this.#signingKey }
    const client =
      program === 'h2load'
        ? undefined
        : new Child<ProviderClientQuestion, ProviderClientFigures>(program, { core: CORES?.client })
    const send = (sent: ProviderWorkload) =>
      client === undefined ? runH2load(sent, CORES?.client) : client.ask({ workload: sent })
    await this.#server.ask({ kind: 'reset', behaviour })
    await send({ ...workload, notifications: warmUp })
    const warmed = await this.#server.ask({ kind: 'count' })
    await this.#server.ask({ kind: 'reset', behaviour })
    const figures = await send(workload)
    const counts = await this.#server.ask({ kind: 'count' })
    await client?.stop()
    const { notifications } = workload
    return {
      cpu: figures.cpu / notifications,
      serverCpu: counts.cpu / notifications,
      rate: (notifications * 1000) / (figures.endedAt - figures.startedAt),
      peakRss: figures.peakRss,
      bytesPerRequest: counts.bytes / notifications,
      connections: Math.max(warmed.connections, counts.connections),
      violations: warmed.violations + counts.violations,
      disagreements: disagreements(contender, figures, counts),
    }
  }
}

function disagreements(
  { name, job: { notifications }, server: { rejectEvery } }: ProviderContender,
  figures: ProviderClientFigures,
  counts: ProviderCounts,
): string[] {
  const due = rejectEvery === 0 ? 0 : Math.floor(notifications / rejectEvery)
  const facts: [what: string, one: number, other: number][] = [
    ['requests, to the server and as is due', counts.requests, notifications],
    ['accepted, to the client and to the server', figures.accepted, counts.requests - counts.rejected],
    ['rejected, to the client and to the server', figures.rejected, counts.rejected],
    ['rejected, to the server and as is due', counts.rejected, due],
    ['neither, to the client and as is due', figures.others, 0],
    ['violations, to the server and as is due', counts.violations, 0],
  ]
  const first = counts.firstViolation === undefined ? [] : [`${name}: ${counts.firstViolation}`]
  return facts
    .filter(([, one, other]) => one !== other)
    .map(([what, ...pair]) => `${name}: ${what}: ${pair.join(', ')}`)
    .concat(first)
}
