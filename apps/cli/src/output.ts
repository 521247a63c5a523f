import type { Writable } from 'node:stream'

import { type InputFault, placeOf } from './errors.ts'
import { problemOf } from './problem.ts'

/** How a command may speak. */
export interface OutputOptions {
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  /** One JSON object a line on stdout, errors alone on stderr. */
  readonly json: boolean
  /** No notes and no progress. */
  readonly quiet: boolean
  /** Whether colours are wanted; they appear on terminals only. */
  readonly colour: boolean
}

/** On and off, by the numbers of ECMA-48. Not `styleText`: newer versions of Node have their own mind about streams. */
const COLOURS = { bold: [1, 22], dim: [2, 22], red: [31, 39], yellow: [33, 39] } as const
type Colour = keyof typeof COLOURS

const PROGRESS_EVERY_MS = 100

/** Where everything that a command says goes: what was asked for to stdout, all else to stderr. */
export class Output {
  readonly json: boolean
  readonly quiet: boolean
  readonly #stdout: OutputOptions['stdout']
  readonly #stderr: OutputOptions['stderr']
  readonly #colour: boolean
  #progressAt = 0
  #progressShown = false
  #stdoutGone = false

  constructor({ stdout, stderr, json, quiet, colour }: OutputOptions) {
    this.json = json
    this.quiet = quiet
    this.#stdout = stdout
    this.#stderr = stderr
    this.#colour = colour
    // a reader that left (`| head`) ends the printing, not the work: what was asked for is done to its end
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      this.#stdoutGone = true
    })
  }

  /** Whether whoever read stdout has left: nothing that is printed arrives any more. */
  get stdoutGone(): boolean {
    return this.#stdoutGone
  }

  get stdoutIsTerminal(): boolean {
    return this.#stdout.isTTY === true
  }

  get stderrIsTerminal(): boolean {
    return this.#stderr.isTTY === true
  }

  /** Prints lines to stdout; resolves when there is room for more. */
  async print(...lines: readonly string[]): Promise<void> {
    if (lines.length === 0 || this.#stdoutGone) return
    this.#clearProgress()
    const text = `${lines.join('\n')}\n`
    await new Promise<void>((resolve) => {
      this.#stdout.write(text, (error) => {
        if (error) this.#stdoutGone = true
        resolve()
      })
    })
  }

  /** Prints objects to stdout, one a line. */
  async printJson(...objects: readonly object[]): Promise<void> {
    await this.print(...objects.map((object) => JSON.stringify(object)))
  }

  /** Prints rows in columns, the first row as head; columns that hold numbers only stand to the right. */
  async printTable(rows: readonly (readonly string[])[]): Promise<void> {
    const [head = '', ...body] = alignColumns(rows)
    await this.print(this.paint('dim', head), ...body)
  }

  /** A remark on stderr: nothing that a program needs. */
  note(text: string): void {
    if (!this.json && !this.quiet) this.#toStderr(text)
  }

  /** A doubt on stderr. */
  warn(text: string): void {
    if (!this.json && !this.quiet) this.#toStderr(`${this.#paintStderr('yellow', 'warning:')} ${text}`)
  }

  /** One fault on stderr that does not end the command. */
  fault(fault: InputFault): void {
    if (this.json) {
      const { detail, ...place } = fault
      const kind = { type: '/problems/invalid-request', title: 'The request is not valid', status: 400 }
      this.#toStderr(JSON.stringify({ ...kind, detail, errors: [{ ...place, detail }] }))
    } else {
      this.#toStderr(`${placeOf(fault)}${fault.detail}`)
    }
  }

  /** The error that ends the command, on stderr. */
  fail(error: unknown): void {
    const problem = problemOf(error)
    if (this.json) this.#toStderr(JSON.stringify(problem))
    else this.#toStderr(`${this.#paintStderr('red', 'error:')} ${problem.detail}\n${problem.remedy}`)
  }

  /** Rewrites the one line of progress, on terminals only and at most ten times a second. */
  progress(text: () => string): void {
    if (this.json || this.quiet || !this.stderrIsTerminal) return
    const now = performance.now()
    if (now - this.#progressAt < PROGRESS_EVERY_MS) return
    this.#progressAt = now
    this.#progressShown = true
    this.#stderr.write(`\r\u001b[K${text()}`)
  }

  /** A question on the terminal; the answer comes on the same line. */
  prompt(text: string): void {
    this.#clearProgress()
    this.#stderr.write(text)
  }

  /** Ends what is unfinished on the terminal. */
  close(): void {
    this.#clearProgress()
  }

  /** Colours text for stdout. */
  paint(colour: Colour, text: string): string {
    return this.#colour && this.#stdout.isTTY === true ? painted(colour, text) : text
  }

  #paintStderr(colour: Colour, text: string): string {
    return this.#colour && this.stderrIsTerminal ? painted(colour, text) : text
  }

  #toStderr(text: string): void {
    this.#clearProgress()
    this.#stderr.write(`${text}\n`)
  }

  #clearProgress(): void {
    if (!this.#progressShown) return
    this.#progressShown = false
    this.#stderr.write('\r\u001b[K')
  }
}

function painted(colour: Colour, text: string): string {
  const [on, off] = COLOURS[colour]
  return `\u001b[${on}m${text}\u001b[${off}m`
}

/**
 * Lays rows out in columns two spaces apart; what looks like a number stands to the right where its whole column does. A
 * text that ends its row may be longer than its column is wide.
 */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const isNumeric = Array.from(
    { length: columns },
    (_, at) => rows.length > 1 && rows.slice(1).every((row) => /^[\d,.]*$/.test(row[at] ?? '')),
  )
  const widths = isNumeric.map((numeric, at) =>
    Math.max(0, ...rows.map((row) => (numeric || at < row.length - 1 ? (row[at] ?? '').length : 0))),
  )
  return rows.map((row) =>
    row
      .map((cell, at) => (isNumeric[at] === true ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}

/** A count for people: `12,408`, or with a noun `1 device`, `12,408 devices`. */
export function formatCount(count: number, noun?: string): string {
  const digits = count.toLocaleString('en-US')
  return noun === undefined ? digits : `${digits} ${noun}${count === 1 ? '' : 's'}`
}
