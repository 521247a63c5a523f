import type { Certificates } from './certificates.ts'
import { Decider } from './decision.ts'
import { GatewayConnection, type Gateway } from './gateway-connection.ts'
import type { WritableJournal } from './journal.ts'
import { Listener } from './listener.ts'
import type { Script } from './script.ts'
import { refuseCertificate } from './tls-alert.ts'

/** The gateway: numbers its connections and shares the counts of frames among them. */
export class GatewayServer {
  readonly #listener: Listener
  readonly #seed: number
  readonly #gateway: Gateway
  #connections = 0

  constructor(certificates: Certificates, journal: WritableJournal, seed: number) {
    this.#seed = seed
    this.#gateway = { journal, decider: new Decider({}, seed), notifications: 0, barriers: 0 }
    this.#listener = new Listener(certificates, 'certificate-required', (raw, proceed) => {
      const number = ++this.#connections
      const rule = this.#gateway.decider.onConnection(number)
      journal.connections++
      raw.on('close', () => {
        journal.closed++
        journal.changed()
      })
      journal.changed()
      if (rule?.do === 'refuse') raw.resetAndDestroy()
      else if (rule?.do === 'tls-alert') refuseCertificate(raw, certificates)
      else proceed((guest) => new GatewayConnection(guest, number, rule, this.#gateway))
    })
  }

  /** Replaces the rules from now on, for open connections too; counts and numbers of connections go on. */
  script(next: Script): void {
    this.#gateway.decider = new Decider(next, this.#seed)
  }

  listen(port: number): Promise<string> {
    return this.#listener.listen(port)
  }

  /** Ends every connection at once. */
  close(): Promise<void> {
    return this.#listener.close()
  }
}
