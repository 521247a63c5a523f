import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { createLogger, loadConfig, type Service } from '@lhspn/service'

import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { withService } from '../opened-service.ts'
import { listen } from '../serve.ts'
import { type SimulatedInstallation, writeInstallation } from '../simulated-installation.ts'
import { Stage } from './stage.ts'
import { invite } from './stay.ts'
import { playSteps } from './steps.ts'

const SEED = 20_240_614
/** Long before this everything is over, or something hangs: then the figures say so. */
const LIMIT_MS = 120_000
/** Ports are free ones, and nobody is turned away for coming from one address. */
const SETTINGS = `[database]
url = "sqlite:lhspn.db"

[server]
listen = "127.0.0.1:0"

[ops]
listen = "127.0.0.1:0"

[rateLimit]
register = "1000000/1m"
`

/**
 * Starts a simulated Apple and an installation of its own in a temporary directory, does the main job with it, and
 * checks what came of it against what the simulator saw. On a terminal it stays up to look around. Leaves nothing behind.
 * @throws CommandError `wrong-figure`
 */
export async function runDemo(context: Context): Promise<ExitCode> {
  const interruption = context.interruption()
  const simulator = await startSimulator({ seed: SEED })
  const directory = await mkdtemp(join(tmpdir(), 'lhspn-demo-'))
  try {
    const installation = await writeInstallation(directory, simulator, SETTINGS)
    const config = loadConfig(installation.config, {})
    // what the simulator does to connections is what the demo is about, and told by its figures
    const log = createLogger({ level: 'silent', format: 'json', isTerminal: false })
    return await withService(config, context, (service) => play(service, simulator, installation, context), {
      log,
      dispatch: true,
    })
  } catch (error) {
    if (interruption.exitCode !== undefined) return interruption.exitCode
    throw error
  } finally {
    await simulator.close()
    await rm(directory, { recursive: true, force: true })
  }
}

async function play(
  service: Service,
  simulator: Simulator,
  installation: SimulatedInstallation,
  context: Context,
): Promise<ExitCode> {
  const interruption = context.interruption()
  const server = await listen(service)
  const signal = AbortSignal.any([interruption.signal, AbortSignal.timeout(LIMIT_MS)])
  const stage = new Stage({ service, server, simulator, installation, context, signal })
  try {
    await playSteps(stage, SEED)
    if (interruption.exitCode !== undefined) return interruption.exitCode
    if (context.unattended) return EXIT.done
    await invite(stage)
    await interruption.ended()
    return EXIT.done
  } finally {
    await stage.close()
    await server.close()
  }
}
