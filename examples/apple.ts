import { readFileSync } from 'node:fs'

import { type Script, startSimulator } from '@lhspn/apns-simulator'

/** Where the examples send to, and with what. */
export interface Apple {
  /** `host:port`; empty where it was not named. */
  readonly gateway: string
  readonly feedback: string
  /** Bytes of the file with the client certificate and its key: .p12 or PEM. */
  readonly certificate: Uint8Array
  readonly passphrase?: string
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string
  close(): Promise<void>
}

/**
 * What GATEWAY, FEEDBACK (`host:port`), CERTIFICATE, CA (files) and PASSPHRASE of the environment name; without
 * GATEWAY and FEEDBACK a simulator inside this process, which plays `script`.
 */
export async function openApple(script: Script = {}): Promise<Apple> {
  const { GATEWAY, FEEDBACK, CERTIFICATE, PASSPHRASE, CA } = process.env
  if (GATEWAY === undefined && FEEDBACK === undefined) return simulate(script)
  if (CERTIFICATE === undefined) throw new Error('Name the file of the client certificate, as in CERTIFICATE=push.p12')
  return {
    gateway: GATEWAY ?? '',
    feedback: FEEDBACK ?? '',
    certificate: readFileSync(CERTIFICATE),
    ...(PASSPHRASE !== undefined && { passphrase: PASSPHRASE }),
    ...(CA !== undefined && { ca: readFileSync(CA, 'utf8') }),
    close: async () => {},
  }
}

async function simulate(script: Script): Promise<Apple> {
  const simulator = await startSimulator({ script, journal: 'counts' })
  const { gateway, feedback, certificates } = simulator
  const certificate = certificates.p12('secret', 'legacy')
  return { gateway, feedback, certificate, passphrase: 'secret', ca: certificates.ca, close: () => simulator.close() }
}
