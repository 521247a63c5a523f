import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

import { createConnection } from 'mysql2/promise'

/** Debian keeps servers where the PATH of people often does not look. */
const ENVIRONMENT = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
const PREFIX = 'lhspn-mariadb-'
const START_MS = 30_000
const POLL_MS = 20

export interface MariaDbOptions {
  /** True: every commit is flushed, as in production. False (default): faster, and safe against a killed process only. */
  readonly durable?: boolean
}

/** A MariaDB of its own, on a free port of loopback, with its data in the system's folder for temporary files. */
export interface MariaDb {
  /** `mysql://root@127.0.0.1:port`, without a database. */
  readonly url: string
  /** Makes an empty database and answers its URL. */
  database(): Promise<string>
  /** Ends the server as an operator would, and removes its data. */
  stop(): Promise<void>
  /** Kills the server where it stands (`kill -9`); the data stays. */
  kill(): Promise<void>
  /** Ends the server if it runs, and starts it again on the same port and data. */
  restart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Starts a server. It dies with the process that started it, however that ends. */
export async function startMariaDb(options: MariaDbOptions = {}): Promise<MariaDb> {
  if (!existsSync('/usr/sbin/mariadbd')) throw new Error('MariaDB is missing: apt-get install mariadb-server')
  await removeStale()
  const folder = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`))
  try {
    return await startIn(folder, options.durable ?? false)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** Makes an empty database with a name of its own on the server at `serverUrl`, and answers its URL. */
export async function createDatabase(serverUrl: string): Promise<string> {
  const name = `lhspn_${randomBytes(6).toString('hex')}`
  const connection = await createConnection(serverUrl)
  try {
    await connection.query(`CREATE DATABASE ${name}`)
  } finally {
    await connection.end()
  }
  return new URL(`/${name}`, serverUrl).href
}

async function startIn(folder: string, durable: boolean): Promise<MariaDb> {
  // A server that starts removes the temporary tables of others from a folder that they share.
  await mkdir(`${folder}/tmp`)
  await promisify(execFile)(
    'mariadb-install-db',
    [
      '--no-defaults',
      ...asRoot(),
      `--datadir=${folder}/data`,
      `--tmpdir=${folder}/tmp`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
    ],
    { env: ENVIRONMENT },
  )
  const port = await freePort()
  const url = `mysql://root@127.0.0.1:${port}`
  let server = await launch(folder, port, durable)

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (server.exitCode !== null || server.signalCode !== null) return
    const exit = once(server, 'exit')
    server.kill(signal)
    await exit
  }
  async function stop(): Promise<void> {
    await end('SIGTERM')
    await rm(folder, { recursive: true, force: true })
  }
  return {
    url,
    database: () => createDatabase(url),
    stop,
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM')
      server = await launch(folder, port, durable)
    },
    [Symbol.asyncDispose]: stop,
  }
}

async function launch(folder: string, port: number, durable: boolean): Promise<ChildProcess> {
  // setpriv replaces itself by the server, which the kernel then kills with its parent: nothing is left behind.
  const server = spawn(
    '/usr/bin/setpriv',
    [
      '--pdeathsig',
      'KILL',
      'mariadbd',
      '--no-defaults',
      ...asRoot(),
      `--datadir=${folder}/data`,
      `--tmpdir=${folder}/tmp`,
      `--socket=${folder}/m.sock`,
      `--pid-file=${folder}/m.pid`,
      `--log-error=${folder}/m.err`,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      '--skip-name-resolve',
      '--character-set-server=utf8mb4',
      '--innodb-buffer-pool-size=64M',
      '--performance-schema=OFF',
      ...(durable ? [] : ['--innodb-flush-log-at-trx-commit=0', '--innodb-doublewrite=0']),
    ],
    { env: ENVIRONMENT, stdio: 'ignore' },
  )
  const failed = once(server, 'error').then(([error]) => {
    throw error
  })
  failed.catch(() => undefined)
  await Promise.race([failed, untilReady(server, port, folder)])
  return server
}

/** Asks until the server answers: it has no way to tell. */
async function untilReady(server: ChildProcess, port: number, folder: string): Promise<void> {
  const deadline = performance.now() + START_MS
  for (;;) {
    if (server.exitCode !== null || server.signalCode !== null || performance.now() > deadline) {
      server.kill('SIGKILL')
      const log = await readFile(`${folder}/m.err`, 'utf8').catch(() => 'it wrote no log')
      throw new Error(`MariaDB did not start: ${log.slice(-2000)}`)
    }
    try {
      await (await createConnection({ host: '127.0.0.1', port, user: 'root' })).end()
      return
    } catch {
      await delay(POLL_MS)
    }
  }
}

/** Removes the data of servers whose process was killed before it could. */
async function removeStale(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN
    if (pid > 0 && !isAlive(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** The server refuses to run as root unless told to. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}
