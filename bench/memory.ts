import { readFileSync } from 'node:fs'

/**
 * Resident memory of this process at its highest, bytes. From Linux' own mark: `resourceUsage().maxRSS`, used elsewhere,
 * begins with what the parent had when it forked.
 */
export function peakRss(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
}
