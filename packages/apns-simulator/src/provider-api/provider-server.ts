import type { Certificates } from '../certificates.ts'
import type { WritableJournal } from '../journal.ts'
import { Listener } from '../listener.ts'
import { matching, RuleList } from '../rule-list.ts'
import type { Environment, VerifyingKey } from '../signing-key.ts'
import { refuseCertificate } from '../tls-alert.ts'
import { ProviderConnection, type ProviderApi } from './provider-connection.ts'
import type { ProviderScript } from './provider-script.ts'
import { ProviderTokenVerifier } from './provider-tokens.ts'

/** What a provider API is made with. */
export interface ProviderServerOptions {
  readonly certificates: Certificates
  readonly journal: WritableJournal
  readonly seed: number
  readonly keys: readonly VerifyingKey[]
  readonly environment: Environment
  readonly apps: readonly string[] | undefined
}

/** The provider API: numbers its connections and shares the count of requests among them. */
export class ProviderServer {
  readonly #listener: Listener
  readonly #seed: number
  readonly #api: ProviderApi
  readonly #open = new Set<ProviderConnection>()
  #script: ProviderScript = {}
  #connections = 0

  constructor({ certificates, journal, seed, keys, environment, apps }: ProviderServerOptions) {
    this.#seed = seed
    this.#api = {
      journal,
      verifier: new ProviderTokenVerifier(keys, environment),
      environment,
      apps,
      rules: new RuleList([], seed),
      maxConcurrentStreams: DEFAULT_STREAMS,
      requests: 0,
    }
    this.#listener = new Listener(certificates, 'h2', (raw, proceed) => {
      const number = ++this.#connections
      const rule = matching(this.#script.connections, number)
      journal.connections++
      raw.on('close', () => {
        journal.closed++
        journal.changed()
      })
      journal.changed()
      if (rule?.do === 'refuse') raw.resetAndDestroy()
      else if (rule?.do === 'tls-alert') refuseCertificate(raw, certificates, ['h2'])
      else
        proceed((guest) => {
          const connection = new ProviderConnection(guest, number, rule, this.#api)
          this.#open.add(connection)
          raw.on('close', () => this.#open.delete(connection))
        })
    })
  }

  /** Replaces the rules from now on, for open connections too; counts and numbers of connections go on. */
  script(next: ProviderScript): void {
    this.#script = next
    this.#api.rules = new RuleList(next.rules ?? [], this.#seed)
    const limit = next.maxConcurrentStreams ?? DEFAULT_STREAMS
    if (limit === this.#api.maxConcurrentStreams) return
    this.#api.maxConcurrentStreams = limit
    for (const connection of this.#open) connection.announceLimit()
  }

  listen(port: number): Promise<string> {
    return this.#listener.listen(port)
  }

  /** Ends every connection at once. */
  close(): Promise<void> {
    return this.#listener.close()
  }
}

const DEFAULT_STREAMS = 1000
