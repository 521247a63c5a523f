// What a push and a registry need, and what a site has: computed, so that everybody can put in what their machines are.

/** Where pushes are delivered, as far as it decides how fast. */
export interface Site {
  readonly database: 'sqlite' | 'mariadb'
  /** Processes that deliver, each on a core of its own. */
  readonly workers: number
  /** Of a worker to Apple, for one app and environment: `sender.connections`. */
  readonly connections: number
  /** That Apple allows on a connection at once. */
  readonly streams: number
  /** From a request to its answer: the way there and back, and what Apple takes. */
  readonly roundTripMs: number
  /** Whether each device's badge is counted. */
  readonly badges: boolean
  /** How long the database's disk takes to flush a commit. */
  readonly flushMs: number
  /** Of the database's server. SQLite has none: it works in the workers. */
  readonly cores: number
  /** What the database's disk writes, bytes a second. */
  readonly disk: number
  /** What the database's disk holds, bytes. */
  readonly storage: number
  /** The line to Apple, bits a second. */
  readonly network: number
}

/** Each worker brings its own share of the first three; the others are there once. */
const OF_WORKERS = ['streams', 'workers', 'commits'] as const
export const RESOURCES = [...OF_WORKERS, 'network', 'planning', 'cores', 'disk', 'redis'] as const
export type Resource = (typeof RESOURCES)[number]

export interface Capacity {
  /** Notifications a second that each resource allows. */
  readonly limits: Readonly<Record<Resource, number>>
  /** The one that allows the least. */
  readonly first: Resource
  readonly rate: number
}

/** What it takes to reach so many devices in so long. */
export interface Need {
  /** Notifications a second. */
  readonly rate: number
  /** Bytes of the registry, and of one push to all as long as it is kept. */
  readonly registry: number
  readonly push: number
  /** Databases, each with devices of its own. */
  readonly installations: number
  /** In all of them together. */
  readonly workers: number
  readonly databaseCores: number
  /** Bits a second. */
  readonly network: number
  /** A second, if each device registers once a day, at three times the average. */
  readonly registrations: number
  readonly apis: number
}

const SITE: Site = {
  database: 'mariadb',
  workers: 1,
  connections: 4,
  streams: 1000,
  roundTripMs: 40,
  badges: false,
  flushMs: 2,
  cores: 4,
  disk: 200e6,
  storage: 1e12,
  network: 1e9,
}

/** `dispatcher.chunkSize`, as it is by default. */
export const CHUNK = { members: 5000 }

/** Per notification, from capacity-check.ts with 400,000 devices; behind each what it is with badges that are counted. */
const MEASURED = {
  sqlite: {
    /** µs on a worker's core: its CPU where answers take 100 ms, or what elapses where answers come at once, if that is more. */
    workerUs: [5.4, 6.2],
    databaseUs: [0, 0],
    /** Of a chunk. Every one waits for a flush. */
    commits: [8, 14],
    // Not measured: taken over from MariaDB.
    logBytes: [20, 79],
    deviceBytes: 360,
    pushBytes: 2.1,
  },
  mariadb: {
    workerUs: [5, 7.6],
    databaseUs: [2, 5.9],
    commits: [8, 14],
    logBytes: [20, 79],
    deviceBytes: 755,
    pushBytes: 7.8,
  },
} as const
/** Devices that one process plans a second: capacity-check.ts, rounded down. */
const PLANNED = 1_500_000
/** µs of Redis for a chunk: capacity-check.ts. */
const REDIS_US = 1125
/** Of a request with a payload of 200 bytes: provider-api.ts; and what TLS and TCP add to it (assumed). */
const REQUEST_BYTES = 598
const WIRE = 1.06
/** What reaches the disk for each byte of the log: the log, the pages, and the pages' second writing (assumed). */
const WRITTEN_TIMES = 3
/** A process of the API registers so many new devices a second, one each request: registry.ts. */
const REGISTERED = 2700
const PEAK = 3
const DAY_S = 86_400

export function siteOf(told: Partial<Site>): Site {
  return { ...SITE, ...told }
}

export function capacityOf(site: Site): Capacity {
  const { workers, connections, streams, roundTripMs, flushMs, cores, disk, network } = site
  const { workerUs, databaseUs, commits, logBytes } = costsOf(site)
  // Checkpoints of one worker wait for each other. A flush of a server serves all who wait for it; SQLite has one writer.
  const writers = site.database === 'sqlite' ? 1 : workers
  const limits: Capacity['limits'] = {
    streams: (workers * connections * streams * 1000) / roundTripMs,
    workers: (workers * 1e6) / workerUs,
    commits: (writers * CHUNK.members * 1000) / (commits * flushMs),
    network: network / 8 / (REQUEST_BYTES * WIRE),
    planning: PLANNED,
    cores: (cores * 1e6) / databaseUs,
    disk: disk / (logBytes * WRITTEN_TIMES),
    redis: site.database === 'sqlite' ? Infinity : (CHUNK.members * 1e6) / REDIS_US,
  }
  const first = RESOURCES.reduce((least, each) => (limits[each] < limits[least] ? each : least))
  return { limits, first, rate: limits[first] }
}

/** What reaches `devices` within `seconds`, with as many workers and databases of this kind as that takes. */
export function needOf(site: Site, devices: number, seconds: number): Need {
  const { limits } = capacityOf({ ...site, workers: 1 })
  const { databaseUs, deviceBytes, pushBytes } = costsOf(site)
  const rate = devices / seconds
  const registry = devices * deviceBytes
  const push = devices * pushBytes
  const ofDatabase = Math.min(
    limits.planning,
    limits.cores,
    limits.disk,
    limits.redis,
    site.database === 'sqlite' ? limits.commits : Infinity,
  )
  const ofWorker = Math.min(...OF_WORKERS.map((each) => limits[each]))
  const registrations = (devices / DAY_S) * PEAK
  return {
    rate,
    registry,
    push,
    installations: Math.ceil(Math.max(rate / ofDatabase, (registry + push) / site.storage)),
    workers: Math.ceil(rate / ofWorker),
    databaseCores: (rate * databaseUs) / 1e6,
    network: rate * REQUEST_BYTES * WIRE * 8,
    registrations,
    apis: Math.ceil(registrations / REGISTERED),
  }
}

function costsOf({ database, badges }: Site) {
  const { workerUs, databaseUs, commits, logBytes, deviceBytes, pushBytes } = MEASURED[database]
  const at = badges ? 1 : 0
  return {
    workerUs: workerUs[at],
    databaseUs: databaseUs[at],
    commits: commits[at],
    logBytes: logBytes[at],
    deviceBytes,
    pushBytes,
  }
}
