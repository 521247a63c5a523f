import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const root = new URL('..', import.meta.url)

/** Runs a bench; throws, with what it printed, when it exits with anything but 0. */
export async function runBench(...args: readonly string[]): Promise<string> {
  const node = ['--conditions=lhspn-source', '--import', 'tsx', ...args]
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: root })
  return stdout
}
