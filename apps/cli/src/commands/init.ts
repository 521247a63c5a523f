import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import { CommandError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn init`: a configuration to start from. */
export function initCommand(run: Run) {
  const command = new Command('init').action(() => run(init))
  showExamples(command, [
    ['lhspn init', 'writes ./lhspn.toml'],
    ['lhspn init --config /etc/lhspn/lhspn.toml', 'writes it there'],
    ['lhspn apps add com.example.app --help', 'what comes next'],
  ])
  return command
}

/** Every key with its default, commented out: what stands in the file is what somebody chose. */
const TEMPLATE = `# Configuration of LHSPN. Each key can be set by the environment too: LHSPN_SENDER_ATTEMPTS for sender.attempts.
# What is commented out shows the default.

[sender]
# connections = 4             # at once, to one gateway
# connectionsPerSecond = 4    # new ones; faster reconnecting counts as an attack
# requestTimeout = "20s"      # for an answer that must come
# attempts = 5                # times that one notification is written at most
# quietTime = "3s"            # of silence, at a gateway that does not answer the confirmation barrier
# assumeAccepted = false      # whether that silence counts as acceptance

[log]
# level = "info"              # trace, debug, info, warn, error, silent
# format = "auto"             # text on a terminal, else json

# An app, named by its topic (bundle id); \`lhspn apps add\` writes such a block.
# [[apps]]
# topic = "com.example.app"
# certificate = "push.pem"                  # certificate and key, .pem or .p12; paths are relative to this file
# sandboxCertificate = "push-sandbox.pem"   # where one certificate does not serve both environments
# passphraseFile = "push.pass"              # where they are encrypted
# gateway = "push.internal:2195"
# feedback = "push.internal:2196"
# sandboxGateway = "push-sandbox.internal:2195"
# sandboxFeedback = "push-sandbox.internal:2196"
# ca = "ca.pem"                             # trusted instead of the system's
`

async function init({ configFile = 'lhspn.toml', output }: Context): Promise<ExitCode> {
  try {
    await mkdir(dirname(configFile), { recursive: true })
    await writeFile(configFile, TEMPLATE, { flag: 'wx' })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new CommandError(
        'file-exists',
        `${configFile} is there already`,
        'Nothing was written. Edit it, or name another with --config.',
        { cause: error },
      )
    }
    throw new CommandError(
      'unwritable-file',
      `${configFile} cannot be written: ${String(error)}`,
      'Name another with --config.',
      { cause: error },
    )
  }
  await (output.json ? output.printJson({ config: configFile }) : output.print(`wrote ${configFile}`))
  output.note('Next: lhspn apps add TOPIC --certificate FILE --gateway HOST:PORT')
  return EXIT.done
}
