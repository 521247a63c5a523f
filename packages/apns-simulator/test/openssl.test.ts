import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { startSimulator, type Simulator } from '../src/index.ts'
import { BARRIER, THREE } from './raw-client.ts'

/** A program of the system, not of a package. */
const OPENSSL = 'openssl'

let folder: string
let simulator: Simulator
beforeAll(async () => {
  simulator = await startSimulator()
  folder = mkdtempSync(join(tmpdir(), 'lhspn-simulator-'))
  writeFileSync(join(folder, 'ca.pem'), simulator.certificates.ca)
  writeFileSync(join(folder, 'client.pem'), simulator.certificates.client)
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await simulator.close()
})

/** Runs `openssl s_client` against an address, gives it these bytes and answers what it said when it has ended. */
async function sClient(address: string, flags: readonly string[], input: Buffer | undefined): Promise<Buffer> {
  const words = ['s_client', '-connect', address, '-CAfile', 'ca.pem', '-cert', 'client.pem', '-key', 'client.pem']
  const program = spawn(OPENSSL, [...words, ...flags], { cwd: folder, stdio: ['pipe', 'pipe', 'ignore'] })
  const said: Buffer[] = []
  program.stdout.on('data', (bytes: Buffer) => said.push(bytes))
  // it may have gone before it read everything
  program.stdin.on('error', () => {})
  if (input === undefined) program.stdin.end()
  else program.stdin.write(input)
  await once(program, 'close')
  return Buffer.concat(said)
}

test.for(['gateway', 'feedback'] as const)(
  'openssl s_client shows and verifies the certificates of the %s',
  async (service) => {
    const address = simulator[service].replace('127.0.0.1', 'localhost')
    const text = (await sClient(address, ['-verify_hostname', 'localhost', '-4'], undefined)).toString()
    expect(text).toMatch(/subject=CN\s?=\s?LHSPN simulated gateway/)
    expect(text).toMatch(/issuer=CN\s?=\s?LHSPN simulated certification authority/)
    expect(text).toContain('Verify return code: 0 (ok)')
    expect(text).toContain('Acceptable client certificate CA names')
  },
)

test('openssl s_client carries frames in and the answer out', async () => {
  const answer = await sClient(simulator.gateway, ['-quiet'], Buffer.from(THREE + BARRIER, 'hex'))
  expect(answer.toString('hex')).toBe('080200000009')
  expect(simulator.journal.counts()).toMatchObject({ accepted: 3, barrier: 1 })
})
