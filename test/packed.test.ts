import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lhspn-packed-'))
  const { packageManager } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    packageManager: string
  }
  const pnpm = (...args: string[]) => run('npx', ['-y', packageManager, ...args], { cwd: root, env: environment() })
  await pnpm('run', 'build')
  await pnpm(
    '-r',
    '--filter',
    './packages/*',
    '--filter',
    './apps/*',
    '--filter',
    '!@lhspn/test-servers',
    'pack',
    '--pack-destination',
    folder,
  )
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Nothing but the packages; and a registry that stalls is asked again soon. */
const NPM_FLAGS = [
  '--no-audit',
  '--no-fund',
  '--no-update-notifier',
  '--prefer-offline',
  '--fetch-timeout=20000',
  '--fetch-retries=5',
  '--fetch-retry-mintimeout=1000',
]

/** Each package, and the packages that its dependencies and its README's example need. */
const PACKAGES = [
  { name: 'apns-protocol', needs: [] },
  { name: 'apns-simulator', needs: ['apns-protocol'] },
  { name: 'sender', needs: ['apns-protocol', 'apns-simulator'] },
  { name: 'database', needs: [] },
  { name: 'device-store', needs: ['apns-protocol', 'database'] },
  { name: 'dispatcher', needs: ['apns-protocol', 'apns-simulator', 'database', 'device-store', 'sender'] },
  { name: 'service', needs: ['apns-protocol', 'database', 'device-store', 'dispatcher', 'sender'] },
]

test.for(PACKAGES)('@lhspn/$name installs from tarballs, and its README example runs', async ({ name, needs }) => {
  const project = await install(
    `lhspn-${name}`,
    needs.map((need) => `lhspn-${need}`),
  )
  const readme = await readFile(join(root, 'packages', name, 'README.md'), 'utf8')
  const examples = [...readme.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code as string)
  expect(examples).toHaveLength(1)
  await writeFile(join(project, 'example.mjs'), examples[0] as string)
  const { stderr } = await run('node', ['example.mjs'], { cwd: project, env: environment() })
  expect(stderr).toBe('')
})

test('lhspn installs from tarballs, and its command runs', async () => {
  const needs = [...PACKAGES.map(({ name }) => name), 'api']
  const project = await install(
    'lhspn',
    needs.map((need) => `lhspn-${need}`),
  )
  const { stdout } = await run(join(project, 'node_modules/.bin/lhspn'), ['explain', '8'], { cwd: project })
  expect(stdout).toContain('InvalidToken')
})

/** An empty project with one package and what it is built on, all from tarballs. */
async function install(name: string, needs: readonly string[]): Promise<string> {
  const project = join(folder, `project-${name}`)
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{"private":true}')
  const tarballs = await readdir(folder)
  const wanted = [name, ...needs].map((each) => tarballs.find((file) => new RegExp(`^${each}-\\d`).test(file)))
  expect(wanted).not.toContain(undefined)
  const files = wanted.map((file) => join(folder, file as string))
  await run('npm', ['install', ...NPM_FLAGS, ...files], { cwd: project, env: environment() })
  return project
}

/**
 * The environment without what a package manager around this test has put there, but for the file of the machine's own
 * npm settings: npm looks for it beside the Node that runs it, which may be another one than the machine's.
 */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_(?!config_globalconfig)|pnpm_|NODE_OPTIONS|VITEST|NODE_ENV)/i.test(name),
    ),
  )
}
