import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { parseConfig } from '@lhspn/service'
import { expect, onTestFinished, test } from 'vitest'

import { startServer } from '../src/index.ts'
import {
  ADMIN_KEY,
  APP,
  OTHER_APP,
  TWO_APPS,
  type LogLine,
  ONE_APP,
  startApi,
  startApple,
  temporaryFolder,
  tokenOf,
} from './harness.ts'

const TSX = import.meta.resolve('tsx')
const GATEWAY = `${ONE_APP}certificate = "nowhere.pem"\ngateway = "127.0.0.1:1"\n`

/** A connection that is open. */
async function dial(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('utf8')
  await once(socket, 'connect')
  return socket
}

test('health is told on a listener of its own, without keys', async () => {
  const api = await startApi('sqlite::memory:', GATEWAY)
  const ops = api.server.opsUrl
  expect(ops).not.toBe(api.server.url)
  expect(await (await fetch(`${ops}/healthz`)).json()).toEqual({ status: 'ok' })
  const ready = await fetch(`${ops}/readyz`)
  expect([ready.status, await ready.json()]).toEqual([
    200,
    {
      status: 'ready',
      database: 'ok',
      senders: [{ app: APP, environment: 'production', interface: 'gateway', state: 'unused' }],
    },
  ])
  expect((await fetch(`${ops}/v1/devices`)).status).toBe(404)
  expect((await api.get('/healthz')).status).toBe(404)
})

test('it is not ready while the database cannot take registrations, and is again afterwards', async () => {
  const api = await startApi('sqlite::memory:')
  const checkDatabase = api.service.checkDatabase.bind(api.service)
  api.service.checkDatabase = () => Promise.reject(new Error('no connection'))
  const away = await fetch(`${api.server.opsUrl}/readyz`)
  expect([away.status, await away.json()]).toEqual([
    503,
    { status: 'unavailable', database: 'no connection', senders: [] },
  ])
  expect((await fetch(`${api.server.opsUrl}/healthz`)).status).toBe(200)
  api.service.checkDatabase = checkDatabase
  expect((await fetch(`${api.server.opsUrl}/readyz`)).status).toBe(200)
})

test('when it ends, what is under way is answered, nothing new is taken, and nobody waits for idle connections', async () => {
  const api = await startApi('sqlite::memory:')
  const silent = await dial(api.server.url)
  const isSilentGone = once(silent, 'close')
  const { store } = api.service
  const get = store.get.bind(store)
  const gate = deferred()
  const arrived = deferred()
  store.get = async (...key) => {
    arrived.resolve()
    await gate.promise
    return get(...key)
  }
  await api.put(`/v1/devices/${tokenOf(1)}`, {}) // leaves a connection that is kept alive
  const answer = api.get(`/v1/devices/${tokenOf(1)}`)
  await arrived.promise
  const closing = api.server.close()
  expect((await fetch(`${api.server.opsUrl}/readyz`)).status).toBe(503)
  await isSilentGone
  await expect(dial(api.server.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  gate.resolve()
  expect((await answer).status).toBe(200)
  await closing
  await expect(dial(api.server.opsUrl)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('what takes longer than server.drainTimeout is cut off', async () => {
  const api = await startApi('sqlite::memory:', `${ONE_APP}[server]\ndrainTimeout = "0s"\n`)
  const arrived = deferred()
  api.service.store.get = () => {
    arrived.resolve()
    return new Promise(() => undefined)
  }
  const answer = api.get(`/v1/devices/${tokenOf(1)}`)
  const failure = answer.catch((error: unknown) => error)
  await arrived.promise
  await api.server.close()
  expect(await failure).toMatchObject({ message: 'fetch failed' })
})

test('an address that is taken is told, and nothing stays open', async () => {
  const api = await startApi('sqlite::memory:')
  const { host } = new URL(api.server.url)
  const config = parseConfig({
    text: ONE_APP,
    variables: { LHSPN_SERVER_LISTEN: '127.0.0.1:0', LHSPN_OPS_LISTEN: host },
  })
  await expect(startServer({ ...api.service, config, log: api.service.log } as never)).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining(`Cannot listen at ${host}`),
  })
})

test('the program listens, drains at SIGTERM, and ends with 0', async () => {
  const { program, url } = await serve()
  const answer = await fetch(`${url}/v1/devices/${tokenOf(1)}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${ADMIN_KEY}` },
  })
  expect(answer.status).toBe(201)
  const exit = once(program.child, 'exit')
  program.child.kill('SIGTERM')
  expect(await exit).toEqual([0, null])
})

test('the program that cannot drain in time says so, and ends with the code of its signal', async () => {
  const { apple, text } = await startApple('provider-api', { provider: { rules: [{ when: {}, do: 'silent' }] } })
  const { program, url } = await serve(`[server]\ndrainTimeout = "1s"\n${text}`)
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ audience: { tokens: [tokenOf(1)] }, payload: { aps: { alert: 'Hello' } } })
  expect((await fetch(`${url}/v1/pushes`, { method: 'POST', headers, body })).status).toBe(202)
  await apple.journal.waitFor((journal) => journal.requests().length === 1)
  const exit = once(program.child, 'exit')
  program.child.kill('SIGTERM')
  await program.logged('not drained in time: what was in flight is left to the next process, and sent again')
  // or the process would wait for its request
  await apple.close()
  expect(await exit).toEqual([143, null])
})

test('the program reads its apps again at SIGHUP, and keeps those it has where they are wrong', async () => {
  const { program, url, file } = await serve()
  const apps = async (): Promise<readonly string[]> => {
    const answer = await fetch(`${url}/v1/apps`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } })
    return ((await answer.json()) as { data: { topic: string }[] }).data.map(({ topic }) => topic)
  }
  expect(await apps()).toEqual([APP])
  writeFileSync(file, TWO_APPS)
  program.child.kill('SIGHUP')
  await program.logged('configuration: apps read again')
  expect(await apps()).toEqual([APP, OTHER_APP])
  writeFileSync(file, '[[apps]]\ntopik = "com.example.app"')
  program.child.kill('SIGHUP')
  await program.logged('configuration: not read again, everything stays as it was')
  expect(await apps()).toEqual([APP, OTHER_APP])
})

test('a configuration that is wrong ends the program with 5, and says what is wrong', async () => {
  const program = run({ LHSPN_DATABASE_URL: 'postgres://x' })
  // its output, too, has ended
  expect(await once(program.child, 'close')).toEqual([5, null])
  expect(program.text()).toContain('database.url: must be sqlite:FILE or mysql://USER@HOST/NAME, not "postgres://x"')
})

interface Program {
  readonly child: ChildProcess
  text(): string
  /** The line of the log that has this message, once it is there. */
  logged(msg: string): Promise<LogLine>
}

/** The program at work for one app, which its file names. */
async function serve(
  text = ONE_APP,
): Promise<{ readonly program: Program; readonly url: string; readonly file: string }> {
  const folder = temporaryFolder()
  const file = join(folder, 'lhspn.toml')
  writeFileSync(file, text)
  const program = run({
    LHSPN_CONFIG: file,
    LHSPN_DATABASE_URL: `sqlite:${join(folder, 'lhspn.db')}`,
    LHSPN_ADMIN_KEY: ADMIN_KEY,
    LHSPN_SERVER_LISTEN: '127.0.0.1:0',
    LHSPN_OPS_LISTEN: '127.0.0.1:0',
  })
  const { url } = await program.logged('listening')
  return { program, url: String(url), file }
}

function run(variables: Readonly<Record<string, string>>): Program {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const child = spawn(process.execPath, ['--conditions=lhspn-source', '--import', TSX, main], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { PATH: process.env['PATH'], ...variables },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const reader = createInterface(child.stderr)
  reader.on('line', (line) => lines.push(line))
  return {
    child,
    text: () => lines.join('\n'),
    async logged(msg: string): Promise<LogLine> {
      for (;;) {
        const found = lines.find((line) => line.includes(`"msg":"${msg}"`))
        if (found !== undefined) return JSON.parse(found) as LogLine
        await once(reader, 'line')
      }
    },
  }
}

function deferred(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve!: () => void
  const promise = new Promise<void>((onResolve) => {
    resolve = onResolve
  })
  return { promise, resolve }
}
