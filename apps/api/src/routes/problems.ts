import type { Context } from 'hono'

import type { Env } from '../endpoint.ts'
import { ApiError, type ProblemKind, PROBLEMS } from '../problem.ts'

/** What a problem's `type` is for: the same text, for people. */
export function answerProblemPage(c: Context<Env>): Response {
  const kind = c.req.param('kind') ?? ''
  if (!isKind(kind)) throw new ApiError('not-found', 'There is no such kind of problem.')
  const { status, title, about } = PROBLEMS[kind]
  return c.text(`${title} (${kind}, status ${status})\n\n${about}\n`)
}

function isKind(kind: string): kind is ProblemKind {
  return Object.hasOwn(PROBLEMS, kind)
}
