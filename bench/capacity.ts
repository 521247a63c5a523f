// Prints what a site delivers, what stops it first, and what it takes to reach a million to a billion devices: nothing is
// run here. Options, each with its default in capacity-model.ts:
// --database sqlite|mariadb · --workers N · --connections N · --streams N · --round-trip 40ms · --badges · --flush 2ms
// --cores N · --disk 200MB · --storage 1TB · --network 1Gbit · --within 10m
import { parseArgs } from 'node:util'

import { capacityOf, needOf, RESOURCES, type Resource, type Site, siteOf } from './capacity-model.ts'
import { printTable } from './figures.ts'

const AUDIENCES = [1e6, 10e6, 100e6, 1e9]

const REMEDIES: Readonly<Record<Resource, string>> = {
  streams: 'more connections (sender.connections), or more workers',
  workers: 'more workers, each on a core of its own',
  commits: 'a disk that flushes sooner; on MariaDB also more workers',
  network: 'workers on more lines, or shorter payloads',
  planning: 'several installations: one process plans a push',
  cores: 'more cores for the database, then several installations',
  disk: 'a faster disk, then several installations',
  redis: 'larger chunks (dispatcher.chunkSize), or several installations',
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  Mbit: 1e6,
  Gbit: 1e9,
}

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: {
    database: text,
    workers: text,
    connections: text,
    streams: text,
    'round-trip': text,
    badges: { type: 'boolean' },
    flush: text,
    cores: text,
    disk: text,
    storage: text,
    network: text,
    within: text,
  },
})
const site = siteOf(toldSite())
const withinMs = amount('within', ['m', 's', 'h']) ?? 600_000

printSite()
printLimits()
printNeeds()

function toldSite(): Partial<Site> {
  const { database } = values
  if (database !== undefined && database !== 'sqlite' && database !== 'mariadb')
    throw new TypeError(`--database is sqlite or mariadb, not ${database}`)
  const told = {
    database,
    workers: amount('workers', ['']),
    connections: amount('connections', ['']),
    streams: amount('streams', ['']),
    roundTripMs: amount('round-trip', ['ms', 's']),
    badges: values.badges,
    flushMs: amount('flush', ['ms', 's']),
    cores: amount('cores', ['']),
    disk: amount('disk', ['MB', 'GB']),
    storage: amount('storage', ['GB', 'TB']),
    network: amount('network', ['Mbit', 'Gbit']),
  }
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined))
}

/** A flag's number in its smallest unit; undefined if it is not given. */
function amount(name: Exclude<keyof typeof values, 'badges'>, units: readonly string[]): number | undefined {
  const given = values[name]
  if (given === undefined) return undefined
  const [, digits, unit = ''] = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(given) ?? []
  if (!(Number(digits) > 0) || !units.includes(unit))
    throw new TypeError(`--${name} is a number above 0${units[0] && ` with ${units.join(' or ')}`}, not ${given}`)
  return Number(digits) * (UNITS[unit] as number)
}

function printSite(): void {
  const { database, workers, connections, streams, roundTripMs, badges, flushMs, cores, disk, storage, network } = site
  console.log(
    [
      [
        plural(workers, 'worker'),
        `${connections} × ${count(streams)} streams each`,
        `${roundTripMs} ms an answer`,
        `${network / 1e9} Gbit/s`,
      ],
      [
        `${database}${badges ? ', badges counted' : ''}`,
        ...(database === 'sqlite' ? [] : [plural(cores, 'core')]),
        `${flushMs} ms a flush`,
        `${disk / 1e6} MB/s`,
        `${count(storage / 1e9)} GB`,
      ],
    ]
      .map((line) => line.join(' · '))
      .join('\n'),
  )
}

function printLimits(): void {
  const { limits } = capacityOf(site)
  console.log('\nbottleneck  notifications/s  how to go past it')
  for (const each of RESOURCES.toSorted((a, b) => limits[a] - limits[b]))
    if (limits[each] < Infinity)
      console.log(`${each.padEnd(10)}  ${figure(limits[each]).padStart(15)}  ${REMEDIES[each]}`)
}

function printNeeds(): void {
  const { rate } = capacityOf(site)
  const needs = AUDIENCES.map((devices) => ({ devices, need: needOf(site, devices, withinMs / 1000) }))
  console.log('\nas it stands')
  printTable(
    ['devices', 'a push to all takes', 'registry', 'a push that is kept'],
    needs.map(({ devices, need }) => [
      count(devices),
      duration(devices / rate),
      bytes(need.registry),
      bytes(need.push),
    ]),
  )
  console.log(`\nto reach all within ${duration(withinMs / 1000)}, and register each once a day`)
  printTable(
    ['devices', 'notifications/s', 'workers', 'database cores', 'installations', 'Gbit/s', 'registrations/s', 'APIs'],
    needs.map(({ devices, need }) => [
      count(devices),
      figure(need.rate),
      count(need.workers),
      site.database === 'sqlite' ? '-' : need.databaseCores.toFixed(1),
      count(need.installations),
      (need.network / 1e9).toFixed(2),
      figure(need.registrations),
      count(need.apis),
    ]),
  )
}

function count(value: number): string {
  return value.toLocaleString('en')
}

/** As exact as what was measured: three digits. */
function figure(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}

function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`
}

function bytes(value: number): string {
  return value < 1e9 ? `${figure(value / 1e6)} MB` : `${figure(value / 1e9)} GB`
}

function duration(seconds: number): string {
  if (seconds < 120) return `${figure(seconds)} s`
  return seconds < 7200 ? `${figure(seconds / 60)} min` : `${figure(seconds / 3600)} h`
}
