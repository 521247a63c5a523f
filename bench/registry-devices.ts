import { hash } from 'node:crypto'

import type { Attributes, Filter, Registration } from '@lhspn/device-store'

/** The app that all devices of the bench have, and its number in the tables. */
export const APP = 'com.example.app'
export const APP_ID = 1

/** When the devices of the bench registered, ms since 1970. */
export const REGISTERED_AT = 1_700_000_000_000
/** Of every so many devices, one is of the sandbox. */
const SANDBOX_EVERY = 20
/** Devices that share a team: the rare pair. */
const TEAM_SIZE = 100
/** Builds that devices are made with: larger numbers are free to mark what a bench has changed. */
export const BUILDS = 100
/** Coprime to every number of devices that ends in zeros: picks all of them, in no order. */
const STRIDE = 7919

/** Devices by number, from 0: whoever knows the number and how many there are knows all about one. */
export class Devices {
  readonly count: number
  readonly teams: number

  constructor(count: number) {
    this.count = count
    this.teams = Math.max(1, Math.floor(count / TEAM_SIZE))
  }

  /** 32 bytes as hex: the number at the end, so that a token tells its device; in front a hash, as tokens have no order. */
  token(number: number): string {
    const words = [1, 2, 3, 4, 5, 6, 7].map((salt) => mix(number, salt + 10))
    return [...words, number].map((word) => word.toString(16).padStart(8, '0')).join('')
  }

  isProduction(number: number): boolean {
    return number % SANDBOX_EVERY !== 0
  }

  /** 60 % free, 39 % pro, 1 % ent. */
  plan(number: number): string {
    const share = mix(number, 1) % 100
    return share < 60 ? 'free' : share < 99 ? 'pro' : 'ent'
  }

  /** Half of them l0, the others spread over nine. */
  lang(number: number): string {
    const share = mix(number, 2) % 18
    return share < 9 ? 'l0' : `l${share - 8}`
  }

  team(number: number): string {
    return `t${mix(number, 3) % this.teams}`
  }

  /** Five, in the order of their keys, as the registry keeps them. */
  attributes(number: number, build = mix(number, 4) % BUILDS): Attributes {
    return {
      build,
      lang: this.lang(number),
      plan: this.plan(number),
      team: this.team(number),
      user: `u${number}`,
    }
  }

  registration(number: number, build?: number): Registration {
    return {
      app: APP,
      token: this.token(number),
      environment: this.isProduction(number) ? 'production' : 'sandbox',
      platform: 'ios',
      osVersion: '18.1',
      attributes: this.attributes(number, build),
    }
  }

  /** A device that is there: another one for every place below `count`. */
  picked(place: number): number {
    return (place * STRIDE) % this.count
  }
}

/** A search, and what the bench knows about it without the registry. */
export interface Search {
  readonly name: string
  readonly filter: Filter
  readonly has: (devices: Devices, number: number) => boolean
  /** The search of LHSPNservice: by what its column `userInfo` contains. */
  readonly like: string
}

const pair = (key: string, value: string) => `userInfo LIKE '%"${key}":"${value}"%'`

export const RARE = 'rare pair'

export const SEARCHES: readonly Search[] = [
  {
    name: RARE,
    filter: ['team', 't7'],
    has: (devices, number) => devices.team(number) === 't7',
    like: pair('team', 't7'),
  },
  {
    name: 'common pair',
    filter: ['plan', 'free'],
    has: (devices, number) => devices.plan(number) === 'free',
    like: pair('plan', 'free'),
  },
  {
    name: 'all: rare, common',
    filter: {
      all: [
        ['team', 't7'],
        ['plan', 'free'],
      ],
    },
    has: (devices, number) => devices.team(number) === 't7' && devices.plan(number) === 'free',
    like: `${pair('team', 't7')} AND ${pair('plan', 'free')}`,
  },
  {
    name: 'all: common, common',
    filter: {
      all: [
        ['plan', 'free'],
        ['lang', 'l0'],
      ],
    },
    has: (devices, number) => devices.plan(number) === 'free' && devices.lang(number) === 'l0',
    like: `${pair('plan', 'free')} AND ${pair('lang', 'l0')}`,
  },
  {
    name: 'any: four',
    filter: {
      any: [
        ['plan', 'ent'],
        ['lang', 'l3'],
        ['team', 't7'],
        ['user', 'u5'],
      ],
    },
    has: (devices, number) =>
      devices.plan(number) === 'ent' || devices.lang(number) === 'l3' || devices.team(number) === 't7' || number === 5,
    like: [pair('plan', 'ent'), pair('lang', 'l3'), pair('team', 't7'), pair('user', 'u5')].join(' OR '),
  },
  {
    name: 'not: common',
    filter: { not: ['plan', 'free'] },
    has: (devices, number) => devices.plan(number) !== 'free',
    like: `NOT ${pair('plan', 'free')}`,
  },
]

/** How many devices a search finds, and the sum of their numbers. */
export interface Found {
  readonly devices: number
  readonly sum: number
}

export const PAGE = 50

/** Counts without the registry, by walking over all devices: all that are found, and the first page. */
export function foundByKnowledge(devices: Devices, has: (number: number) => boolean): { all: Found; page: Found } {
  const all = { devices: 0, sum: 0 }
  let page: Found = all
  for (let number = 0; number < devices.count; number++) {
    if (!has(number)) continue
    all.devices++
    all.sum += number
    if (all.devices === PAGE) page = { ...all }
  }
  return { all, page: all.devices < PAGE ? all : page }
}

const known = new Map<string, bigint>()
const KEPT = 1_000_000

/** The registry's number for a pair: the first 63 bits of a hash, written out here as device-store's table has it. */
export function pairOf(key: string, value: string | number): bigint {
  const text = `${APP_ID}\0${key}\0${JSON.stringify(value)}`
  const kept = known.get(text)
  if (kept !== undefined) return kept
  const number = hash('sha256', text, 'buffer').readBigUInt64BE() >> 1n
  if (key !== 'user' && known.size < KEPT) known.set(text, number)
  return number
}

/** Numbers that look random, the same in every run. */
function mix(number: number, salt: number): number {
  let x = (number ^ Math.imul(salt, 0x9e37_79b1)) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb_352d)
  x = Math.imul(x ^ (x >>> 15), 0x846c_a68b)
  return (x ^ (x >>> 16)) >>> 0
}
