import { Command } from '@commander-js/extra-typings'
import type { ApiKey, Scope } from '@lhspn/service'

import type { Context, Run } from '../context.ts'
import { CommandError, type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn keys list`, `create` and `delete`: the keys to the HTTP API. */
export function keysCommand(run: Run) {
  const command = new Command('keys')
  showExamples(command, [
    ['lhspn keys create --scope register --app com.example.app', 'goes into the app'],
    ['lhspn keys list', 'what keys there are, and when each was used last'],
    ['lhspn keys delete key_01KAX3Q9V6F4D1ZJ8W3M5N7P9R', 'it is good nowhere from then on'],
  ])
  command.addCommand(listCommand(run))
  command.addCommand(createCommand(run))
  command.addCommand(deleteCommand(run))
  return command
}

function listCommand(run: Run) {
  const command = new Command('list')
    .description('list the API keys, without the keys themselves')
    .action(() => run(listKeys))
  showExamples(command, [
    ['lhspn keys list', 'a row for each'],
    ['lhspn keys list --json', 'for programs'],
    ['lhspn keys list --json | jq -r "select(.lastUsedAt == null).id"', 'those that nobody has used'],
  ])
  return command
}

function createCommand(run: Run) {
  const command = new Command('create')
    .description('make an API key, which is shown this once')
    .requiredOption('--scope <SCOPE>', 'register (inside an app), send (what a backend needs) or admin')
    .option('--app <TOPIC>', 'the only app that it is good for (default: all)')
    .option('--name <TEXT>', 'what you know it by')
    .action((options) => run((context) => createKey(options, context)))
  showExamples(command, [
    ['lhspn keys create --scope register --app com.example.app', 'goes into the app'],
    ['lhspn keys create --scope send --name "web shop"', 'for a backend'],
    ['lhspn keys create --scope admin > admin.key', 'the key alone is on stdout'],
  ])
  return command
}

function deleteCommand(run: Run) {
  const command = new Command('delete')
    .description('delete an API key')
    .argument('<ID>', 'its id, as `lhspn keys list` shows it')
    .action((id) => run((context) => deleteKey(id, context)))
  showExamples(command, [
    ['lhspn keys delete key_01KAX3Q9V6F4D1ZJ8W3M5N7P9R', 'it is good nowhere from then on'],
    ['lhspn keys list', 'shows the ids'],
    ['lhspn keys create --scope send', 'makes another one'],
  ])
  return command
}

/** Keys of one read of the database. */
const PAGE = 1000

async function listKeys(context: Context): Promise<ExitCode> {
  const [{ configOf }, { withService }] = await Promise.all([
    import('../installation.ts'),
    import('../opened-service.ts'),
  ])
  return withService(configOf(context), context, async ({ keys }) => {
    const { output } = context
    const all: ApiKey[] = []
    for (;;) {
      const page = await keys.list({ after: all.at(-1)?.id, limit: PAGE })
      all.push(...page)
      if (page.length < PAGE) break
    }
    if (output.json) await output.printJson(...all)
    else if (all.length > 0) {
      await output.printTable([['id', 'scope', 'app', 'name', 'created', 'last used'], ...all.map(rowOf)])
    } else output.note('There is no API key. Next: lhspn keys create --scope register --app TOPIC')
    return EXIT.done
  })
}

function rowOf({ id, scope, app, name, createdAt, lastUsedAt }: ApiKey): string[] {
  return [id, scope, app ?? 'all', name, dayOf(createdAt), lastUsedAt === null ? 'never' : dayOf(lastUsedAt)]
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10)
}

async function createKey(
  flags: { readonly scope: string; readonly app?: string | undefined; readonly name?: string | undefined },
  context: Context,
): Promise<ExitCode> {
  const [{ configOf }, { withService }, { findApp }] = await Promise.all([
    import('../installation.ts'),
    import('../opened-service.ts'),
    import('@lhspn/service'),
  ])
  const scope = await readScope(flags.scope)
  const config = configOf(context)
  // a key that is bound to nothing is good for every app: the only one is not filled in
  const app = flags.app === undefined ? null : findApp(config, flags.app).topic
  return withService(config, context, async ({ keys }) => {
    const { output } = context
    const { key, ...made } = await keys.create({ scope, app, name: flags.name })
    if (output.json) await output.printJson({ ...made, key })
    else await output.print(key)
    output.note(`${made.id}, scope ${scope}, ${app ?? 'all apps'}. The key is shown this once: keep it.`)
    return EXIT.done
  })
}

async function readScope(text: string): Promise<Scope> {
  const { didYouMean, SCOPES } = await import('@lhspn/service')
  const scope = SCOPES.find((name) => name === text)
  if (scope !== undefined) return scope
  const detail = `must be one of ${SCOPES.join(', ')}, not "${text}"${didYouMean(text, SCOPES)}`
  const faults: InputFault[] = [{ flag: '--scope', detail }]
  refuseFaults(faults, 'No key was made')
  throw new TypeError('a scope without faults must be there')
}

async function deleteKey(id: string, context: Context): Promise<ExitCode> {
  const [{ configOf }, { withService }] = await Promise.all([
    import('../installation.ts'),
    import('../opened-service.ts'),
  ])
  return withService(configOf(context), context, async ({ keys }) => {
    const { output } = context
    if (!(await keys.delete(id))) {
      throw new CommandError('not-found', 'There is no such API key', '`lhspn keys list` shows the ids.')
    }
    if (output.json) await output.printJson({ id, deleted: true })
    else await output.print(`deleted ${id}`)
    return EXIT.done
  })
}
