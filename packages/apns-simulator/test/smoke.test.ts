import { once } from 'node:events'
import { connect } from 'node:tls'

import { test, expect } from 'vitest'

import { startSimulator } from '../src/index.ts'

test('smoke', async () => {
  const sim = await startSimulator()
  const [host, port] = sim.gateway.split(':')
  const tls = connect({
    host,
    port: Number(port),
    ca: sim.certificates.ca,
    cert: sim.certificates.client,
    key: sim.certificates.client,
  })
  await once(tls, 'secureConnect')
  tls.write(Buffer.from('020000001803000400000009010000020000040004000000000500010a', 'hex'))
  const [data] = await once(tls, 'data')
  expect(data.toString('hex')).toBe('080200000009')
  await once(tls, 'close')
  await sim.close()
})
