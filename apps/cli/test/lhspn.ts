import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Script, type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { inject, onTestFinished, type TestContext } from 'vitest'

import { SIMULATED_TOPIC, type SimulatedInstallation, writeInstallation } from '../src/simulated-installation.ts'

export interface Options {
  readonly cwd?: string
  readonly variables?: Readonly<Record<string, string>>
  /** Runs it on a terminal of its own, by util-linux's `script`; all that it says comes on stdout. */
  readonly terminal?: boolean
  /** Of the test that it ends with, where others run beside that. */
  readonly context?: Pick<TestContext, 'onTestFinished'>
}

/** What a run of the program ended with. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The program as a process of its own, as `bundle.ts` has made it of the sources. */
export class Running {
  readonly #child
  readonly #ended: Promise<Ended>
  readonly #waiting = new Set<() => void>()
  #stdout = ''
  #stderr = ''

  constructor(
    args: readonly string[],
    { cwd = tmpdir(), variables = {}, terminal = false, context = { onTestFinished } }: Options = {},
  ) {
    const words = [process.execPath, inject('program'), ...args]
    const [command = '', ...rest] = terminal ? ['script', '-qec', `exec ${words.join(' ')}`, '/dev/null'] : words
    this.#child = spawn(command, rest, { cwd, env: { PATH: process.env['PATH'], ...variables } })
    this.#child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stdout += chunk
      this.#wake()
    })
    this.#child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#stderr += chunk
      this.#wake()
    })
    // a program that ends before it has read its input is no fault of the test's
    this.#child.stdin.on('error', () => undefined)
    this.#ended = once(this.#child, 'close').then(([code]) => {
      const ended = { code: typeof code === 'number' ? code : null, stdout: this.#stdout, stderr: this.#stderr }
      this.#wake()
      // whatever a test is about: no whole device token and no key ever gets to stderr
      if (/[0-9a-f]{64}|PRIVATE KEY|lhk_[a-z]+_[0-9a-z]{40}/i.test(ended.stderr))
        throw new Error(`stderr shows too much: ${ended.stderr}`)
      return ended
    })
    context.onTestFinished(() => void this.#child.kill('SIGKILL'))
  }

  write(text: string): void {
    this.#child.stdin.write(text)
  }

  /** Ends stdin; resolves when the program has ended. */
  end(text = ''): Promise<Ended> {
    this.#child.stdin.end(text)
    return this.#ended
  }

  /** Resolves when the program has ended by itself or by a signal. */
  ended(): Promise<Ended> {
    return this.#ended
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  closeStdout(): void {
    this.#child.stdout.destroy()
  }

  /** Resolves with what matches on stdout or stderr, as soon as it is there. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr)
      if (found !== null) return found
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`ended without ${pattern}:\n${this.#stdout}\n${this.#stderr}`)
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** Runs the program to its end, with this on stdin. */
export async function lhspn(
  args: readonly string[],
  options: Options & { readonly input?: string } = {},
): Promise<Ended> {
  return new Running(args, options).end(options.input)
}

/** Runs the program for each case, a few at a time: most of a run is its start. */
export async function forEachCase<Case>(cases: readonly Case[], check: (each: Case) => Promise<void>): Promise<void> {
  const waiting = cases.values()
  const worker = async (): Promise<void> => {
    for (const each of waiting) await check(each)
  }
  await Promise.all([worker(), worker(), worker()])
}

/** The objects on stdout under --json, one a line. */
export function objectsOf({ stdout }: Ended): unknown[] {
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line))
}

/** An empty directory that goes when the test is over. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'lhspn-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/**
 * A simulated Apple in this process, and a directory with the configuration to send to it: in production over the
 * provider API, in the sandbox over the gateway.
 */
export async function simulatedInstallation(
  script: Script = {},
  { databaseUrl = 'sqlite:lhspn.db', settings = '' }: InstallationOptions = {},
): Promise<TestInstallation> {
  const simulator = await startSimulator({ script })
  onTestFinished(() => simulator.close())
  const directory = await temporaryDirectory()
  const ports = '[server]\nlisten = "127.0.0.1:0"\n[ops]\nlisten = "127.0.0.1:0"\n'
  const toml = `[database]\nurl = "${databaseUrl}"\n${ports}${settings}`
  return { ...(await writeInstallation(directory, simulator, toml)), directory, simulator }
}

/** The same for an app that the gateway alone reaches, in production. */
export async function gatewayInstallation(
  script: Script = {},
  options: InstallationOptions = {},
): Promise<TestInstallation> {
  const installation = await simulatedInstallation(script, options)
  const { gateway, feedback } = installation.simulator
  const [settings = ''] = (await readFile(installation.config, 'utf8')).split('[[apps]]')
  const app = { topic: SIMULATED_TOPIC, certificate: 'push.pem', gateway, feedback, ca: 'ca.pem' }
  const lines = Object.entries(app).map(([key, value]) => `${key} = "${value}"\n`)
  await writeFile(installation.config, `${settings}[[apps]]\n${lines.join('')}`)
  return installation
}

export interface InstallationOptions {
  readonly databaseUrl?: string
  /** TOML, before the app. */
  readonly settings?: string
}

export interface TestInstallation extends SimulatedInstallation {
  readonly directory: string
  readonly simulator: Simulator
}

/** `lhspn serve` of an installation, with an admin key to it. */
export async function served({ config }: SimulatedInstallation): Promise<Served> {
  const made = await lhspn(['--config', config, 'keys', 'create', '--scope', 'admin'])
  const key = made.stdout.trim()
  const serve = new Running(['--config', config, 'serve'])
  const [, url = ''] = await serve.until(/API +(http\S+)\n/)
  const [, ready = ''] = await serve.until(/health +(http\S+)\n/)
  const request = (method: string, path: string, body?: object): Promise<Response> =>
    fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
    })
  return { serve, url, ready, key, request }
}

export interface Served {
  readonly serve: Running
  readonly url: string
  /** URL of /readyz. */
  readonly ready: string
  readonly key: string
  readonly request: (method: string, path: string, body?: object) => Promise<Response>
}

/** Saves devices through `devices import`: `{ token, attributes, … }` each. */
export async function register(config: string, devices: readonly object[]): Promise<void> {
  const input = devices.map((device) => `${JSON.stringify(device)}\n`).join('')
  const ended = await lhspn(['--config', config, 'devices', 'import', '-'], { input })
  if (ended.code !== 0) throw new Error(`the devices were not saved: ${ended.stderr}`)
}

/** A port on loopback that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A device token made of a number. */
export function tokenOf(number: number): string {
  return `ab${number.toString(16).padStart(62, '0')}`
}
