import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createCertificates, type Script, type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { createLogger, openService, parseConfig, type Scope, type Service } from '@lhspn/service'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { onTestFinished } from 'vitest'

import { type ApiServer, startServer } from '../src/index.ts'

/** Both kinds of database, each with a way to an empty one. */
export const DATABASES: readonly (readonly [name: string, url: () => Promise<string>])[] = [
  ['SQLite', async () => `sqlite:${join(temporaryFolder(), 'lhspn.db')}`],
  ['MariaDB', freshMysqlUrl],
]

export const ADMIN_KEY = '0123456789abcdef0123456789abcdef'
export const APP = 'com.example.app'
export const OTHER_APP = 'com.example.other'
export const ONE_APP = `[[apps]]\ntopic = "${APP}"\ntrustedAttributes = ["userId"]\n`
export const TWO_APPS = `${ONE_APP}[[apps]]\ntopic = "${OTHER_APP}"\n`

/** An API at work for one test, and what its log has. */
export interface Api extends Client {
  readonly service: Service
  readonly server: ApiServer
  readonly log: readonly LogLine[]
  /** The same API as somebody else sees it. */
  as(key: string | undefined): Client
  /** A new key, and the API as its holder sees it. */
  holder(scope: Scope, app?: string): Promise<Client>
}

export interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Of text that is JSON. */
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the API says; tests compare it
  readonly body: any
}

interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is. */
  readonly raw?: string | Uint8Array | ReadableStream<Uint8Array>
}

/** Somebody with or without a key. */
export interface Client {
  get(path: string, options?: RequestOptions): Promise<Answer>
  put(path: string, json?: unknown, options?: RequestOptions): Promise<Answer>
  patch(path: string, json?: unknown, options?: RequestOptions): Promise<Answer>
  post(path: string, json?: unknown, options?: RequestOptions): Promise<Answer>
  delete(path: string, options?: RequestOptions): Promise<Answer>
  send(method: string, path: string, options?: RequestOptions): Promise<Answer>
}

/** Starts an API over a database, as an admin sees it; it ends with the test, or when `atEnd` says so. */
export async function startApi(
  url: string,
  text: string = ONE_APP,
  atEnd: (end: () => Promise<void>) => void = onTestFinished,
  { dispatch = false }: { readonly dispatch?: boolean } = {},
): Promise<Api> {
  const log: LogLine[] = []
  const stream = { write: (line: string) => void log.push(JSON.parse(line) as LogLine) }
  const config = parseConfig({
    text,
    variables: {
      LHSPN_DATABASE_URL: url,
      LHSPN_ADMIN_KEY: ADMIN_KEY,
      LHSPN_SERVER_LISTEN: '127.0.0.1:0',
      LHSPN_OPS_LISTEN: '127.0.0.1:0',
    },
  })
  const service = await openService(config, {
    log: createLogger({ level: 'debug', format: 'json', isTerminal: false, stream }),
    dispatch,
  })
  atEnd(() => service.close())
  const server = await startServer(service)
  atEnd(() => server.close())
  const as = (key: string | undefined): Client => clientOf(server.url, key)
  return {
    ...as(ADMIN_KEY),
    service,
    server,
    log,
    as,
    holder: async (scope, app) => as((await service.keys.create({ scope, app })).key),
  }
}

/** A simulated Apple that rejects what a token is for, and the configuration of the app that it serves. */
export async function startApple(
  over: 'provider-api' | 'gateway',
  script: Script = {},
  atEnd: (end: () => Promise<void>) => void = onTestFinished,
): Promise<{ readonly apple: Simulator; readonly text: string }> {
  const apple = await startSimulator({ certificates, script })
  atEnd(() => apple.close())
  const { signingKey } = apple
  const lines =
    over === 'gateway'
      ? [`certificate = """${certificates.client}"""`, `gateway = "${apple.gateway}"`]
      : [
          `teamId = "${signingKey.teamId}"`,
          `keyId = "${signingKey.keyId}"`,
          `key = """${signingKey.key}"""`,
          `provider = "${apple.provider}"`,
        ]
  return { apple, text: `[[apps]]\ntopic = "${APP}"\nca = """${certificates.ca}"""\n${lines.join('\n')}\n` }
}

const certificates = await createCertificates()

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lhspn-api-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

/** A well-formed device token of its own for each number. */
export function tokenOf(number: number): string {
  return 'c0ffee00'.repeat(6) + number.toString(16).padStart(16, '0')
}

function clientOf(url: string, key: string | undefined): Client {
  const send: Client['send'] = async (method, path, { headers = {}, json, raw } = {}) => {
    const body = json === undefined ? raw : JSON.stringify(json)
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body }),
      ...(body instanceof ReadableStream && { duplex: 'half' }),
    } as RequestInit)
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parseJson(text) }
  }
  return {
    send,
    get: (path, options) => send('GET', path, options),
    delete: (path, options) => send('DELETE', path, options),
    put: (path, json, options) => send('PUT', path, { json, ...options }),
    patch: (path, json, options) => send('PATCH', path, { json, ...options }),
    post: (path, json, options) => send('POST', path, { json, ...options }),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
