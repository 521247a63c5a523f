import type { Dispatcher, PauseCause, PausedBecause, StoredPush } from '@lhspn/dispatcher'

import { CommandError } from '../errors.ts'
import { EXIT, type ExitCode, isKnown } from '../exit-code.ts'
import type { Output } from '../output.ts'
import { progressOf } from './summary.ts'

/** Shows the progress of a push, until it has ended, or stands still, or `signal` is aborted. */
export async function followPush(
  dispatcher: Pick<Dispatcher, 'watch'>,
  id: string,
  output: Output,
  signal: AbortSignal,
  onChange: (push: StoredPush) => Promise<void> | void = () => undefined,
): Promise<void> {
  for await (const push of dispatcher.watch(id, signal)) {
    output.progress(() => progressOf(push))
    await onChange(push)
    if (push.state === 'paused') return
  }
}

/**
 * A push as it is now; a database that is away is waited for, as while it was followed.
 * @throws DispatcherError `unknown-push`; DatabaseError
 */
export async function readPush(dispatcher: Pick<Dispatcher, 'watch'>, id: string): Promise<StoredPush> {
  for await (const push of dispatcher.watch(id)) return push
  throw new Error(`${id} was not answered`)
}

/** What the end of a push, or its standing still, means for whoever waited for it. */
export function exitCodeOfPush({ state, pausedBecause, counts }: StoredPush): ExitCode {
  if (state === 'paused') return pausedBecause === 'operator' ? EXIT.notAll : EXIT.configuration
  return state === 'completed' && counts.accepted === counts.planned ? EXIT.done : EXIT.notAll
}

/**
 * Why a push stands still, as an error to be told; undefined where nothing is wrong.
 * @param cause what paused it, where that happened in this process
 */
export function pauseErrorOf(
  { id, state, pausedBecause }: StoredPush,
  { error, reason }: PauseCause = {},
): CommandError | undefined {
  if (state !== 'paused' || pausedBecause === null || pausedBecause === 'operator') return undefined
  const { what, remedy } = CAUSES[pausedBecause]
  const told = isKnown(error) ? error.message : reason
  const message = told === undefined ? what : `${what}: ${told}`
  const explained = reason === undefined ? remedy : `\`lhspn explain ${reason}\` says what that means.`
  const first = isKnown(error) ? error.remedy : explained
  return new CommandError(
    'push-paused',
    `The push has paused itself. ${message}`,
    `${first} Then: lhspn pushes resume ${id}`,
    { cause: error },
  )
}

const CAUSES: Readonly<Record<Exclude<PausedBecause, 'operator'>, { readonly what: string; readonly remedy: string }>> =
  {
    credentials: { what: 'Its credentials were refused', remedy: '`lhspn doctor` finds out why.' },
    content: { what: 'Its content was refused', remedy: 'Send another one, or find out what Apple has against it.' },
    'environment-mismatch': {
      what: 'More tokens were rejected than can be dead, so they may belong to the other environment',
      remedy: 'Look where the devices come from; resuming goes on without this check.',
    },
    'audience-too-large': {
      what: 'When it was due, its audience had more devices than allowed',
      remedy: 'Look at the audience; resuming allows as many as there are.',
    },
    fault: {
      what: 'A part of it has ended the process that delivered it five times',
      remedy: 'The log of `lhspn serve` or `lhspn work` says more.',
    },
  }
