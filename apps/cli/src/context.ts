import type { Readable } from 'node:stream'

import type { ConfigKey } from '@lhspn/service'

import type { ExitCode } from './exit-code.ts'
import type { Interruption } from './interruption.ts'
import type { Output } from './output.ts'

/** What a command has of the world: it reads neither `process` nor the clock of another. */
export interface Context {
  readonly output: Output
  /** Environment variables. */
  readonly variables: Readonly<Record<string, string | undefined>>
  /** What starts this program anew, before its arguments. */
  readonly program: readonly string[]
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** The file that `--config` names. */
  readonly configFile: string | undefined
  /** Values of configuration keys that global flags give. */
  readonly configFlags: Partial<Readonly<Record<ConfigKey, string>>>
  /** Whether nobody is there to be asked or to look around: `--no-input`, or stdin is no terminal. */
  readonly unattended: boolean
  /** From the first call on, signals are ours: the first one asks to end in order. Without a call they end the process. */
  readonly interruption: () => Interruption
}

/** How a command starts its work: main makes the context, and turns what comes back into the exit of the process. */
export type Run = (work: (context: Context) => Promise<ExitCode>) => Promise<void>
