import { setTimeout as delay } from 'node:timers/promises'

import type { Counts } from '@lhspn/dispatcher'
import type { Service } from '@lhspn/service'

import { insist } from './insist.ts'

export interface Api {
  /** Where it is served; undefined: nowhere, or not now. */
  readonly url: () => string | undefined
  readonly key: string
}

/** How many answers were looked at. */
export interface AnswerCount {
  readonly dispatcher: number
  readonly api: number
}

const UNAVAILABLE = 503

/**
 * Asks for a push again and again, through the dispatcher and through the API, until `signal` is aborted: whoever asks, at
 * any time, finds counts that add up and never go back.
 * @param lastPush the id of the push that is under way
 * @throws Error that tells what does not hold
 */
export async function readAnswers(
  { dispatcher }: Service,
  api: Api,
  lastPush: () => string | undefined,
  signal: AbortSignal,
): Promise<AnswerCount> {
  const read = { dispatcher: 0, api: 0 }
  let before = { id: '', settled: 0 }
  const look = (id: string, counts: Counts): void => {
    const { planned, accepted, rejected, unregistered, unconfirmed, remaining } = counts
    const settled = accepted + rejected + unregistered + unconfirmed
    const least = before.id === id ? before.settled : 0
    if (planned !== settled + remaining || remaining < 0 || settled < least)
      throw new Error(`Counts do not hold: ${JSON.stringify(counts)} after ${least} settled`)
    before = { id, settled }
  }
  while (!signal.aborted) {
    await delay(20)
    const id = lastPush()
    if (id === undefined) continue
    look(id, (await insist(() => dispatcher.get(id), signal)).counts)
    read.dispatcher++
    const counts = await askApi(api, id)
    if (counts === undefined) continue
    look(id, counts)
    read.api++
  }
  return read
}

/** undefined: it is dead, or what it stands on. */
async function askApi({ url: where, key }: Api, id: string): Promise<Counts | undefined> {
  const url = where()
  if (url === undefined) return undefined
  let response: Response
  let body: string
  try {
    response = await fetch(`${url}/v1/pushes/${id}`, { headers: { authorization: `Bearer ${key}` } })
    body = await response.text()
  } catch {
    return undefined // it was killed
  }
  if (response.status === UNAVAILABLE) return undefined
  if (!response.ok) throw new Error(`The API answered ${response.status}: ${body}`)
  return (JSON.parse(body) as { counts: Counts }).counts
}
