import { type Database, insertMissing, type Session, type Transaction } from '@lhspn/database'

/** Topics of apps ↔ their numbers in the tables. Numbers are never changed nor taken back, so they are kept. */
export class Apps {
  readonly #database: Database
  readonly #known = new Map<string, number>()

  constructor(database: Database) {
    this.#database = database
  }

  /** The app's number, if it has one. */
  async find(topic: string, session: Session = this.#database): Promise<number | undefined> {
    const known = this.#known.get(topic)
    if (known !== undefined) return known
    const [row] = await session.query<{ id: number }>('SELECT id FROM app WHERE topic = ?', [topic])
    // What an open transaction sees may be taken back.
    if (row !== undefined && session === this.#database) this.#known.set(topic, row.id)
    return row?.id
  }

  /** The app's number, given if it had none: in the open transaction, or else by itself. */
  async number(topic: string, transaction: Transaction | undefined): Promise<number> {
    const session = transaction ?? this.#database
    const found = await this.find(topic, session)
    if (found !== undefined) return found
    await insertMissing(session, 'app', ['topic'], [[topic]])
    return (await this.find(topic, session)) as number
  }
}
