import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vitest/config'

// Packages are tested from their sources: no build comes before a test run.
const conditions = ['lhspn-source']
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } }
const members = ['packages', 'apps'].flatMap((top) =>
  readdirSync(new URL(top, import.meta.url)).map((directory) => `${top}/${directory}`),
)
const projects = [...members, 'examples', 'bench'].filter((root) => existsSync(new URL(root, import.meta.url)))
// These find a MariaDB at `freshMysqlUrl()` and a Redis at `freshRedisUrl()` of @lhspn/test-servers/vitest, which start only
// where one of them is run.
const WITH_SERVERS = new Set([
  'packages/database',
  'packages/device-store',
  'packages/dispatcher',
  'packages/service',
  'apps/api',
  'apps/cli',
])
const servers = fileURLToPath(new URL('packages/test-servers/src/global-setup.ts', import.meta.url))
const setups = (root: string) => [
  ...(WITH_SERVERS.has(root) ? [servers] : []),
  ...(root === 'apps/cli' ? [fileURLToPath(new URL('apps/cli/test/bundle.ts', import.meta.url))] : []),
]

export default defineConfig({
  ...shared,
  test: {
    reporters: ['default', './scripts/summary-reporter.ts'],
    // Most of them wait for sockets, processes and databases: with as many as there are cores, these would be idle.
    maxWorkers: 3,
    projects: [
      ...projects.map((root) => ({
        ...shared,
        test: {
          name: root.replace(/^.*\//, ''),
          root,
          include: ['{src,test}/**/*.test.ts'],
          globalSetup: setups(root),
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      })),
      {
        ...shared,
        test: { name: 'house', root: '.', include: ['test/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
      },
    ],
    coverage: { provider: 'v8', include: ['{packages,apps}/*/src/**'] },
  },
})
