// The simulated Apple of `million.ts`, in a process of its own: what it took is told by itself, not by who sent it.
import { type Simulator, startSimulator } from '@lhspn/apns-simulator'

import { serveQuestions } from './child.ts'
import { type MillionJob, type SimulatorFacts, type SimulatorQuestion, tokenOf } from './million-job.ts'

let simulator: Simulator
let job: MillionJob

serveQuestions(async (question: SimulatorQuestion): Promise<SimulatorFacts> => {
  if (question.kind === 'start') {
    job = question.job
    simulator = await startSimulator({ journal: 'counts', script: { rules: rules(job) } })
  }
  return facts()
})

function rules({ rejected, shutdown }: MillionJob) {
  return [
    ...rejected.map((index) => ({ when: { token: tokenOf(index) }, do: { status: 8 } })),
    { when: { token: tokenOf(shutdown) }, times: 1, do: { status: 10 } },
  ]
}

function facts(): SimulatorFacts {
  const { gateway, certificates, journal } = simulator
  const takenOtherwise: [number, number][] = []
  for (let index = 0; journal.accepted > 0 && index < job.notifications; index++) {
    const times = journal.acceptedTimes(tokenOf(index))
    if (times !== 1) takenOtherwise.push([index, times])
  }
  return {
    gateway,
    certificates: { ca: certificates.ca, client: certificates.client },
    accepted: journal.accepted,
    takenOtherwise,
    counts: journal.counts(),
    answers: [...journal.answers()],
    connections: journal.connections,
  }
}
