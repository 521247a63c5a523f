/** What a bench finds: budgets are printed, held or not; a wrong count is what makes it fail. */
export class Verdict {
  /** A tiny run says nothing of times. */
  readonly #judgesTimes: boolean
  #wrong = 0
  #right = 0

  constructor({ judgesTimes = true }: { readonly judgesTimes?: boolean } = {}) {
    this.#judgesTimes = judgesTimes
  }

  judge(what: string, figure: number, relation: '≤' | '≥', limit: number, unit: string): void {
    if (!this.#judgesTimes) return
    const held = relation === '≤' ? figure <= limit : figure >= limit
    const [shown, due] = [figure, limit].map((value) =>
      value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 2 : 0 }),
    )
    console.log(`${held ? 'held    ' : 'NOT HELD'}  ${what} ${shown} ${unit} (budget ${relation} ${due})`)
  }

  expect(what: string, found: number, due: number): void {
    if (found === due) this.#right++
    else this.blame(`${what}: ${found.toLocaleString('en')}, due are ${due.toLocaleString('en')}`)
  }

  /** Something that was compared elsewhere is wrong. */
  blame(what: string): void {
    this.#wrong++
    console.log(`WRONG     ${what}`)
  }

  /** The last word, and the exit code. */
  conclude(right = `all ${this.#right} counts are what they have to be`): number {
    if (this.#wrong === 0) console.log(`right     ${right}`)
    else console.log(`WRONG     ${this.#wrong} in all`)
    return this.#wrong === 0 ? 0 : 1
  }
}
