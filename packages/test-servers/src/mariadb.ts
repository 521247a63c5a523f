import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { promisify } from 'node:util'

import { createConnection } from 'mysql2/promise'

import { controlServer, ENVIRONMENT, freePort, makeFolder, type ServerControl } from './server-process.ts'

export interface MariaDbOptions {
  /** True: every commit is flushed, as in production. False (default): faster, and safe against a killed process only. */
  readonly durable?: boolean
}

/** A MariaDB of its own, on a free port of loopback, with its data in the system's folder for temporary files. */
export interface MariaDb extends ServerControl {
  /** `mysql://root@127.0.0.1:port`, without a database. */
  readonly url: string
  /** Makes an empty database and answers its URL. */
  database(): Promise<string>
}

/** Starts a server. It dies with the process that started it, however that ends. */
export async function startMariaDb(options: MariaDbOptions = {}): Promise<MariaDb> {
  if (!existsSync('/usr/sbin/mariadbd')) throw new Error('MariaDB is missing: apt-get install mariadb-server')
  const folder = await makeFolder('lhspn-mariadb-')
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
  const control = await controlServer(folder, {
    name: 'MariaDB',
    command: [
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
    ask: async () => (await createConnection({ host: '127.0.0.1', port, user: 'root' })).end(),
    log: () => readFile(`${folder}/m.err`, 'utf8'),
  })
  return { ...control, url, database: () => createDatabase(url) }
}

/** The server refuses to run as root unless told to. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}
