import { describe, expect, test } from 'vitest'

import { ENGINES, openStore } from './engines.ts'
import { setState } from './queues.ts'
import { dispatcherOf, inFuture, request, tokens, until } from './stored.ts'

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  describe('the schedule', () => {
    test('begins a push when its time comes', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request({ sendAt: inFuture(), expiration: '1h' }))
      const due = await dispatcher.submit(request())
      dispatcher.start()
      await until(async () => (await dispatcher.get(due.push.id)).state === 'completed')
      expect((await dispatcher.get(push.id)).state).toBe('scheduled')
      await store.database.execute('UPDATE push SET send_at = ? WHERE number = ?', [Date.now() - 1, push.number])
      await until(async () => (await dispatcher.get(push.id)).state === 'completed')
    })
  })

  describe('commands', () => {
    test('pause, resume and cancel from every state that has them; else they are conflicts', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      for (const before of ['scheduled', 'queued', 'running'] as const) {
        const { push } = await dispatcher.submit(request({ sendAt: inFuture() }))
        await setState(store.database, push.number, before)
        expect(await dispatcher.pause(push.id)).toMatchObject({ state: 'paused', pausedBecause: 'operator' })
        expect(await dispatcher.pause(push.id)).toMatchObject({ state: 'paused', pausedBecause: 'operator' })
        expect(await dispatcher.resume(push.id)).toMatchObject({ state: before, pausedBecause: null })
        expect(await dispatcher.cancel(push.id)).toMatchObject({ state: 'canceled', completedAt: null })
        expect(await dispatcher.cancel(push.id)).toMatchObject({ state: 'canceled' })
        const conflict = { code: 'state-conflict' }
        await expect(dispatcher.pause(push.id)).rejects.toMatchObject(conflict)
        await expect(dispatcher.resume(push.id)).rejects.toMatchObject(conflict)
        await expect(dispatcher.setRate(push.id, 5)).rejects.toMatchObject(conflict)
      }
      const scheduled = await dispatcher.submit(request({ sendAt: inFuture() }))
      await expect(dispatcher.resume(scheduled.push.id)).rejects.toMatchObject({ code: 'state-conflict' })
    })

    test('know only pushes that there are', async () => {
      const dispatcher = dispatcherOf(await openStore(await freshUrl()))
      const unknown = { code: 'unknown-push' }
      for (const command of ['get', 'pause', 'resume', 'cancel', 'notifications'] as const)
        await expect(dispatcher[command]('psh_1')).rejects.toMatchObject(unknown)
      await expect(dispatcher.setRate('psh_1', 5)).rejects.toMatchObject(unknown)
      await expect(dispatcher.watch('psh_1').next()).rejects.toMatchObject(unknown)
    })

    test('change the rate, which is a whole number or none', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request({ rate: 10 }))
      expect((await dispatcher.setRate(push.id, 20)).rate).toBe(20)
      await store.database.execute('UPDATE push SET next_at = 99')
      expect((await dispatcher.setRate(push.id, null)).rate).toBe(null)
      expect(await store.database.query('SELECT next_at FROM push')).toEqual([{ next_at: 0 }])
      for (const rate of [0, -1, 1.5, Number.NaN])
        await expect(dispatcher.setRate(push.id, rate)).rejects.toMatchObject({ code: 'invalid-push' })
    })

    test('resuming takes away what has paused it', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request({ audience: { tokens: tokens(3) } }))
      const { database } = store
      const pauseFor = (because: number) =>
        database.execute('UPDATE push SET state = 3, paused_from = 2, paused_because = ?', [because])
      await database.execute('UPDATE chunk SET leases = 5')
      await pauseFor(5)
      await dispatcher.resume(push.id)
      expect(await database.query('SELECT leases FROM chunk')).toEqual([{ leases: 0 }])
      expect(await database.query('SELECT mismatch_off FROM push')).toEqual([{ mismatch_off: 0 }])
      await pauseFor(3)
      await dispatcher.resume(push.id)
      expect(await database.query('SELECT mismatch_off FROM push')).toEqual([{ mismatch_off: 1 }])
    })
  })

  test('a change of state and rate happens whole or not at all', async () => {
    const dispatcher = dispatcherOf(await openStore(await freshUrl()))
    const { push } = await dispatcher.submit(request({ sendAt: inFuture() }))
    // It is not paused, so that it cannot go on: its rate stays as it was.
    await expect(dispatcher.change(push.id, { state: 'running', rate: 7 })).rejects.toMatchObject({
      code: 'state-conflict',
    })
    expect(await dispatcher.get(push.id)).toMatchObject({ state: 'scheduled', rate: null })
    expect(await dispatcher.change(push.id, { state: 'paused', rate: 7 })).toMatchObject({ state: 'paused', rate: 7 })
    await expect(dispatcher.change(push.id, { rate: 0 })).rejects.toMatchObject({ code: 'invalid-push' })
    const canceled = await dispatcher.change(push.id, { state: 'canceled', rate: null })
    expect(canceled).toMatchObject({ state: 'canceled', rate: null })
    await expect(dispatcher.change(push.id, { rate: 1 })).rejects.toMatchObject({ code: 'state-conflict' })
  })
})
