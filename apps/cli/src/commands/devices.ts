import { Command } from '@commander-js/extra-typings'

import type { Run } from '../context.ts'
import { collect } from '../flags.ts'
import { showExamples } from '../help.ts'

/** `lhspn devices list`, `show`, `save`, `delete` and `import`: the registry. */
export function devicesCommand(run: Run) {
  const command = new Command('devices')
  showExamples(command, [
    ['lhspn devices list --where plan=pro', 'those that match'],
    ['lhspn devices show $TOKEN', 'one of them; if it was removed, when and why'],
    ['lhspn devices list --csv > devices.csv', 'all of them; `lhspn devices import` reads it'],
  ])
  command.addCommand(listCommand(run))
  command.addCommand(showCommand(run))
  command.addCommand(saveCommand(run))
  command.addCommand(deleteCommand(run))
  command.addCommand(importCommand(run))
  return command
}

function listCommand(run: Run) {
  const command = new Command('list')
    .description('list devices: 50 and their count on a terminal, all of them in a pipe')
    .option('--where <K=V>', 'with all of these attributes; K:=V takes V as JSON; repeatable', collect)
    .option('--any <K=V>', 'with at least one of these attributes; repeatable', collect)
    .option('--not <K=V>', 'with none of these attributes; repeatable', collect)
    .option('--filter <JSON>', 'any nesting of pairs, any, all and not, instead of those three')
    .option('--refused <BOOLEAN>', 'true: only those that are refused; false: only those that are not')
    .option('--app <TOPIC>', 'which app; the only one may be left out')
    .option('--environment <NAME>', 'production or sandbox (default: both)')
    .option('--csv', 'as CSV, which `lhspn devices import` reads')
    .action((options) =>
      run(async (context) => {
        const { listDevices } = await import('../devices/list.ts')
        return listDevices(options, context)
      }),
    )
  showExamples(command, [
    ['lhspn devices list --where plan=pro --not beta:=true', 'by their attributes'],
    ['lhspn devices list --where city=Oslo --json | jq -r .token', 'their tokens'],
    ['lhspn devices list --csv > devices.csv', 'all of them'],
  ])
  return command
}

function showCommand(run: Run) {
  const command = new Command('show')
    .description('show a device; if it was removed, when, why and by which push')
    .argument('<TOKEN>', 'its device token')
    .option('--app <TOPIC>', 'which app; the only one may be left out')
    .action((token, options) =>
      run(async (context) => {
        const { showDevice } = await import('../devices/one.ts')
        return showDevice(token, options, context)
      }),
    )
  showExamples(command, [
    ['lhspn devices show $TOKEN', 'everything that is known of it'],
    ['lhspn devices show $TOKEN --json', 'for programs'],
    ['lhspn devices show $TOKEN --app com.example.app', 'of one of several apps'],
  ])
  return command
}

function saveCommand(run: Run) {
  const command = new Command('save')
    .description('register a device, or change one that is known (which is no registration: its time stays)')
    .argument('<TOKEN>', 'its device token')
    .option('--platform <NAME>', 'such as ios, macos (new devices: ios)')
    .option('--os-version <VERSION>', 'such as 18.1')
    .option('--set <K=V>', 'an attribute; K:=V takes V as JSON; repeatable', collect)
    .option('--unset <K>', 'removes an attribute; repeatable', collect)
    .option('--badge <N>', 'number on the icon')
    .option('--app <TOPIC>', 'which app; the only one may be left out')
    .option('--environment <NAME>', 'production or sandbox (new devices: production)')
    .action((token, options) =>
      run(async (context) => {
        const { saveDevice } = await import('../devices/save.ts')
        return saveDevice(token, options, context)
      }),
    )
  showExamples(command, [
    ['lhspn devices save $TOKEN --environment sandbox --set plan=pro', 'registers it'],
    ['lhspn devices save $TOKEN --set age:=31 --unset beta', 'changes its attributes'],
    ['lhspn devices save $TOKEN --badge 0', 'resets its badge'],
  ])
  return command
}

function deleteCommand(run: Run) {
  const command = new Command('delete')
    .description('delete a device, if it is there')
    .argument('<TOKEN>', 'its device token')
    .option('--app <TOPIC>', 'which app; the only one may be left out')
    .action((token, options) =>
      run(async (context) => {
        const { deleteDevice } = await import('../devices/one.ts')
        return deleteDevice(token, options, context)
      }),
    )
  showExamples(command, [
    ['lhspn devices delete $TOKEN', 'it comes back when it registers again'],
    ['lhspn devices delete $TOKEN --app com.example.app', 'of one of several apps'],
    ['lhspn devices delete $TOKEN --json', 'tells whether it was there'],
  ])
  return command
}

function importCommand(run: Run) {
  const command = new Command('import')
    .description('save devices as `lhspn devices list` writes them, any number of them')
    .argument('<FILE>', 'CSV or NDJSON; - is stdin')
    .option('--app <TOPIC>', 'of rows that name none; the only app may be left out')
    .option('--environment <NAME>', 'of rows that name none: production or sandbox (default: production)')
    .action((file, options) =>
      run(async (context) => {
        const { importFile } = await import('../devices/import-file.ts')
        return importFile(file, options, context)
      }),
    )
  showExamples(command, [
    ['lhspn devices import devices.csv', 'what `lhspn devices list --csv` has written'],
    ['lhspn devices import - --app com.example.app < devices.ndjson', 'an object a line'],
    ['lhspn devices import old.csv --environment sandbox', 'rows that name no environment'],
  ])
  return command
}
