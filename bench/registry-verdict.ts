/** What a bench finds: budgets are printed, held or not; a wrong count is what makes it fail. */
export class Verdict {
  /** A tiny run says nothing of times. */
  readonly #judgesTimes: boolean
  readonly #wrong: string[] = []
  #right = 0

  constructor({ judgesTimes }: { readonly judgesTimes: boolean }) {
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
    if (found === due) {
      this.#right++
      return
    }
    this.#wrong.push(what)
    console.log(`WRONG     ${what}: ${found.toLocaleString('en')}, due are ${due.toLocaleString('en')}`)
  }

  /** The last word, and the exit code. */
  conclude(): number {
    if (this.#wrong.length === 0) console.log(`right     all ${this.#right} counts are what they have to be`)
    else console.log(`WRONG     ${this.#wrong.length} counts`)
    return this.#wrong.length === 0 ? 0 : 1
  }
}
