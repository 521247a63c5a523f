// The HTTP API over a registry, in a process of its own, as `lhspn serve` runs it.
import { startServer } from '@lhspn/api'
import { createLogger, openService, parseConfig } from '@lhspn/service'

import { serveQuestions } from './child.ts'
import { APP } from './registry-devices.ts'

export type ApiQuestion = { readonly kind: 'open'; readonly url: string } | { readonly kind: 'cpu' }

export interface ApiAnswer {
  readonly url: string
  /** A key as it sits inside an app. */
  readonly key: string
  /** User and system time of this process so far, seconds. */
  readonly cpu: number
}

/** All requests come from one address, which would be stopped at 600 a minute. */
const NO_LIMIT = '[rateLimit]\nregister = "999999999/1h"\n'
let [url, key] = ['', '']

serveQuestions(async (question: ApiQuestion): Promise<ApiAnswer> => {
  if (question.kind === 'open') {
    const config = parseConfig({
      text: `${NO_LIMIT}[[apps]]\ntopic = "${APP}"\n`,
      variables: {
        LHSPN_DATABASE_URL: question.url,
        LHSPN_SERVER_LISTEN: '127.0.0.1:0',
        LHSPN_OPS_LISTEN: '127.0.0.1:0',
      },
    })
    const service = await openService(config, {
      log: createLogger({ level: 'warn', format: 'json', isTerminal: false }),
    })
    url = (await startServer(service)).url
    key = (await service.keys.create({ scope: 'register', app: APP })).key
  }
  const { user, system } = process.cpuUsage()
  return { url, key, cpu: (user + system) / 1e6 }
})
