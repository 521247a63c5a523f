import type { EngineEvent, Link } from './engine.ts'

/** What an engine wants done: each thing is handed out once. */
export class Outbox<L extends Link> {
  #openings: L[] = []
  #closings: L[] = []
  #events: EngineEvent[] = []

  /** This connection is to be opened. */
  open(link: L): void {
    this.#openings.push(link)
  }

  /** This connection is to be closed at once. */
  close(link: L): void {
    this.#closings.push(link)
  }

  tell(event: EngineEvent): void {
    this.#events.push(event)
  }

  takeOpenings(): readonly L[] {
    const links = this.#openings
    if (links.length > 0) this.#openings = []
    return links
  }

  takeClosings(): readonly L[] {
    const links = this.#closings
    if (links.length > 0) this.#closings = []
    return links
  }

  takeEvents(): readonly EngineEvent[] {
    const events = this.#events
    if (events.length > 0) this.#events = []
    return events
  }
}
