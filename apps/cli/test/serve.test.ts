import { once } from 'node:events'
import { connect, createServer } from 'node:net'

import { expect, test } from 'vitest'

import { lhspn, objectsOf, Running, served, gatewayInstallation, tokenOf } from './lhspn.ts'

test('prints its addresses, serves API and health, and drains at a signal: exit 0', async () => {
  const installation = await gatewayInstallation()
  const { serve, ready, request } = await served(installation)
  expect(await (await fetch(ready)).json()).toMatchObject({ status: 'ready' })
  expect((await request('GET', '/v1/devices')).status).toBe(200)
  serve.kill('SIGINT')
  const ended = await serve.ended()
  expect(ended.code).toBe(0)
  expect(ended.stdout).toMatch(/^API {5}http:\/\/127\.0\.0\.1:\d+\nhealth {2}http:\/\/127\.0\.0\.1:\d+\/readyz\n$/)
  await expect(fetch(ready)).rejects.toThrow('fetch failed')
})

test('--json prints its addresses as an object', async () => {
  const { config } = await gatewayInstallation({}, { settings: '' })
  const serve = new Running(['--config', config, '--json', 'serve'])
  await serve.until(/"url"/)
  serve.kill('SIGTERM')
  const ended = await serve.ended()
  expect(objectsOf(ended)).toEqual([
    { url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), opsUrl: expect.stringMatching(/^http:/) },
  ])
  expect(ended.code).toBe(0)
})

test('a second signal ends at once, while a request is under way', async () => {
  const installation = await gatewayInstallation()
  const { serve, url, key } = await served(installation)
  const { hostname, port } = new URL(url)
  const slow = connect(Number(port), hostname)
  slow.on('error', () => undefined)
  await once(slow, 'connect')
  slow.write(`PUT /v1/devices/${tokenOf(1)} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${key}\r\n`)
  slow.write('content-type: application/json\r\ncontent-length: 10\r\nexpect: 100-continue\r\n\r\n')
  // the server has read the head once it asks for the body
  await once(slow, 'data')
  serve.kill('SIGTERM')
  await serve.until(/Once more ends at once/)
  serve.kill('SIGTERM')
  expect((await serve.ended()).code).toBe(143)
  slow.destroy()
})

test('an address that is taken: exit 5, and which', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const { config } = await gatewayInstallation()
  const variables = { LHSPN_SERVER_LISTEN: `127.0.0.1:${port}` }
  const ended = await lhspn(['--config', config, 'serve'], { variables })
  taken.close()
  expect(ended).toMatchObject({ code: 5, stderr: expect.stringContaining(`127.0.0.1:${port}`) })
})

test('database.migrate = "manual" refuses to start on an old schema: exit 5, until it was migrated', async () => {
  const { config } = await gatewayInstallation()
  const variables = { LHSPN_DATABASE_MIGRATE: 'manual' }
  const refused = await lhspn(['--config', config, 'serve'], { variables })
  expect(refused).toMatchObject({ code: 5, stderr: expect.stringContaining('migrations') })
  expect(await lhspn(['--config', config, 'migrate'])).toMatchObject({ code: 0 })
  const serve = new Running(['--config', config, 'serve'], { variables })
  await serve.until(/API/)
})
