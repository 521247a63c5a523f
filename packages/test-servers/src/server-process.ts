import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/** Debian keeps servers where the PATH of people often does not look. */
export const ENVIRONMENT = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
const START_MS = 30_000
const POLL_MS = 20

/** What every server of ours can do. */
export interface ServerControl {
  /** Ends the server as an operator would, and removes its data. */
  stop(): Promise<void>
  /** Kills the server where it stands (`kill -9`); the data stays. */
  kill(): Promise<void>
  /** Ends the server if it runs, and starts it again on the same port and data. */
  restart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How to start a server. */
export interface ServerPlan {
  /** For people, when it does not start. */
  readonly name: string
  readonly command: readonly string[]
  /** Answers once the server answers; throws as long as it does not. */
  readonly ask: () => Promise<unknown>
  /** What the server wrote down, for the same people. */
  readonly log: () => Promise<string>
}

/**
 * A folder for the data of one server, among the system's temporary files. Those of servers whose process was killed
 * before it could remove them are removed first.
 */
export async function makeFolder(prefix: string): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN
    if (pid > 0 && !isAlive(pid)) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
  return mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`))
}

/** Starts a server on the data in `folder`. It dies with the process that started it, however that ends. */
export async function controlServer(folder: string, plan: ServerPlan): Promise<ServerControl> {
  let server = await launch(plan)

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
    stop,
    kill: () => end('SIGKILL'),
    restart: async () => {
      await end('SIGTERM')
      server = await launch(plan)
    },
    [Symbol.asyncDispose]: stop,
  }
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

async function launch(plan: ServerPlan): Promise<ChildProcess> {
  // setpriv replaces itself by the server, which the kernel then kills with its parent: nothing is left behind.
  const server = spawn('/usr/bin/setpriv', ['--pdeathsig', 'KILL', ...plan.command], {
    env: ENVIRONMENT,
    stdio: 'ignore',
  })
  const failed = once(server, 'error').then(([error]) => {
    throw error
  })
  failed.catch(() => undefined)
  await Promise.race([failed, untilReady(server, plan)])
  return server
}

/** Asks until the server answers: it has no way to tell. */
async function untilReady(server: ChildProcess, { name, ask, log }: ServerPlan): Promise<void> {
  const deadline = performance.now() + START_MS
  for (;;) {
    if (server.exitCode !== null || server.signalCode !== null || performance.now() > deadline) {
      server.kill('SIGKILL')
      const written = await log().catch(() => 'it wrote no log')
      throw new Error(`${name} did not start: ${written.slice(-2000)}`)
    }
    try {
      await ask()
      return
    } catch {
      await delay(POLL_MS)
    }
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
