import { startSimulator } from '@lhspn/apns-simulator'
import { expect, test } from 'vitest'

import { openCertificate, Sender } from '../src/index.ts'

test('empty source', { timeout: 3000 }, async () => {
  const simulator = await startSimulator()
  const sender = new Sender({ gateway: simulator.gateway, ca: simulator.certificates.ca, credentials: openCertificate(Buffer.from(simulator.certificates.client)) })
  for await (const x of sender.send([])) expect(x).toBe(1)
  await sender.close()
  await simulator.close()
  console.log(process.getActiveResourcesInfo())
})
test('source ends late', { timeout: 6000 }, async () => {
  const simulator = await startSimulator()
  const sender = new Sender({ gateway: simulator.gateway, ca: simulator.certificates.ca, credentials: openCertificate(Buffer.from(simulator.certificates.client)) })
  let got = 0
  let done!: () => void
  const wait = new Promise<void>((r) => (done = r))
  async function* source() {
    yield [{ token: 'aa', content: { payload: { aps: { alert: 'x' } } } }]
    await wait
  }
  for await (const x of sender.send(source())) { got += x.length; setTimeout(done, 50) }
  expect(got).toBe(1)
  await sender.close()
  await simulator.close()
  console.log(process.getActiveResourcesInfo())
})
test('aborted before', { timeout: 6000 }, async () => {
  const simulator = await startSimulator()
  const sender = new Sender({ gateway: simulator.gateway, ca: simulator.certificates.ca, credentials: openCertificate(Buffer.from(simulator.certificates.client)) })
  const c = new AbortController()
  const p = sender.sendOne({ token: 'aa', content: { payload: { aps: { alert: 'x' } } } }, { signal: c.signal })
  c.abort()
  console.log(await p)
  await sender.close()
  await simulator.close()
  console.log(process.getActiveResourcesInfo())
})
