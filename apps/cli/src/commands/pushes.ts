import { Command } from '@commander-js/extra-typings'

import type { Run } from '../context.ts'
import { showExamples } from '../help.ts'

/** `lhspn pushes list`, `show`, `notifications`, `pause`, `resume` and `cancel`: what was sent, and is being sent. */
export function pushesCommand(run: Run) {
  const command = new Command('pushes')
  showExamples(command, [
    ['lhspn pushes list --state paused', 'those that stand still'],
    ['lhspn pushes show $PUSH --follow', 'how far one is, to its end'],
    ['lhspn pushes notifications $PUSH --outcome rejected', 'to whom it did not go, and why'],
  ])
  command.addCommand(listCommand(run))
  command.addCommand(showCommand(run))
  command.addCommand(notificationsCommand(run))
  command.addCommand(changeCommand(run, 'pause', 'let a push stand still; what is in flight settles'))
  command.addCommand(changeCommand(run, 'resume', 'let a paused push go on, without what has paused it'))
  command.addCommand(changeCommand(run, 'cancel', 'end a push; what is in flight settles'))
  return command
}

function listCommand(run: Run) {
  const command = new Command('list')
    .description('list pushes, newest first: 50 on a terminal, all of them in a pipe')
    .option('--state <STATE>', 'scheduled, queued, running, paused, completed or canceled')
    .option('--app <TOPIC>', 'only those of this app')
    .action((options) =>
      run(async (context) => {
        const { listPushes } = await import('../pushes/list.ts')
        return listPushes(options, context)
      }),
    )
  showExamples(command, [
    ['lhspn pushes list', 'a row for each'],
    ['lhspn pushes list --state running', 'those that are on their way'],
    ['lhspn pushes list --json | jq .counts', 'for programs'],
  ])
  return command
}

function showCommand(run: Run) {
  const command = new Command('show')
    .description('show a push: how far it is, and what became of it')
    .argument('<ID>', 'its id, as `lhspn send` and `lhspn pushes list` show it')
    .option('--follow', 'to its end; the exit code is then that of `lhspn send`')
    .action((id, { follow }) =>
      run(async (context) => {
        const { showPush } = await import('../pushes/show.ts')
        return showPush(id, follow === true, context)
      }),
    )
  showExamples(command, [
    ['lhspn pushes show $PUSH', 'as it is now'],
    ['lhspn pushes show $PUSH --follow', 'progress to its end'],
    ['lhspn pushes show $PUSH --follow --json', 'an object for each change'],
  ])
  return command
}

function notificationsCommand(run: Run) {
  const command = new Command('notifications')
    .description('what became of each notification of a push: 50 on a terminal, all of them in a pipe')
    .argument('<ID>', 'id of the push')
    .option('--outcome <OUTCOME>', 'accepted, rejected, unregistered or unconfirmed')
    .option('--reason <REASON>', 'only those with this reason')
    .option('--csv', 'as CSV')
    .action((id, options) =>
      run(async (context) => {
        const { listNotifications } = await import('../pushes/notifications.ts')
        return listNotifications(id, options, context)
      }),
    )
  showExamples(command, [
    ['lhspn pushes notifications $PUSH --outcome rejected', 'to whom it did not go, and why'],
    ['lhspn pushes notifications $PUSH --reason BadDeviceToken --json | jq -r .token', 'their tokens'],
    ['lhspn pushes notifications $PUSH --csv > records.csv', 'all of them'],
  ])
  return command
}

function changeCommand(run: Run, name: 'pause' | 'resume' | 'cancel', description: string) {
  const command = new Command(name)
    .description(description)
    .argument('<ID>', 'id of the push')
    .action((id) =>
      run(async (context) => {
        const { changePush } = await import('../pushes/change.ts')
        return changePush(id, name, context)
      }),
    )
  showExamples(command, [
    [`lhspn pushes ${name} $PUSH`, 'one of them'],
    ['lhspn pushes list', 'shows the ids'],
    ['lhspn pushes show $PUSH --follow', 'what comes of it'],
  ])
  return command
}
