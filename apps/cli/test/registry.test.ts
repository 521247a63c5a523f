import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { describe, expect, test } from 'vitest'

import { lhspn, objectsOf, served, gatewayInstallation, tokenOf } from './lhspn.ts'

const app = 'com.example.app'
const legacy = '[legacy]\nenabled = true\n'
const [first, second, third] = [tokenOf(1), tokenOf(2), tokenOf(3)]

describe.each([
  { database: 'SQLite', databaseUrl: async () => 'sqlite:lhspn.db' },
  { database: 'MariaDB', databaseUrl: freshMysqlUrl },
])('on $database', ({ databaseUrl }) => {
  test('devices register by both endpoints, and a push to all reaches them over TLS', async () => {
    const installation = await gatewayInstallation({}, { databaseUrl: await databaseUrl(), settings: legacy })
    const { config, simulator } = installation
    const { serve, url, request } = await served(installation)
    const put = await request('PUT', `/v1/devices/${first}`, { app, attributes: { plan: 'pro' } })
    expect([put.status, await put.json()]).toEqual([201, expect.objectContaining({ token: first, refused: null })])
    const posted = await fetch(`${url}/saveToken.php?token=${second}&userInfo={}&OSVersion=iOS&isDev=0`, {
      method: 'POST',
    })
    expect([posted.status, await posted.text()]).toEqual([200, 'POST\nToken Result: \nSaving...\nSaved new token\n'])

    const sent = await lhspn(['--config', config, 'send', '--all', '--max-audience', '10', 'Hi'])
    expect(sent).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^psh_\w+ {2}2 devices {2}com\.example\.app/),
      stderr: '',
    })
    const taken = simulator.journal.entries().filter(({ verdict }) => verdict === 'accepted')
    expect(taken.map(({ token, payload }) => [token, new TextDecoder().decode(payload)])).toEqual([
      [first, '{"aps":{"alert":"Hi"}}'],
      [second, '{"aps":{"alert":"Hi"}}'],
    ])

    serve.kill('SIGTERM')
    expect((await serve.ended()).code).toBe(0)
  })

  test('a device whose token the gateway rejects is refused until it registers again', async () => {
    const script = { rules: [{ when: { token: second }, do: { status: 8 } }] }
    const installation = await gatewayInstallation(script, { databaseUrl: await databaseUrl() })
    const { config, simulator } = installation
    const { request } = await served(installation)
    for (const token of [first, second, third]) await request('PUT', `/v1/devices/${token}`, { app })

    const everybody = ['--config', config, '--json', 'send', '--all', '--max-audience', '10', 'Hi']
    const sent = await lhspn(everybody)
    expect(sent).toMatchObject({ code: 3, stderr: '' })
    expect(objectsOf(sent)).toMatchObject([
      {
        counts: { planned: 3, accepted: 2, rejected: 1, unregistered: 0, unconfirmed: 0, remaining: 0 },
        reasons: { InvalidToken: 1 },
      },
    ])
    const read = await request('GET', `/v1/devices/${second}`)
    expect(await read.json()).toMatchObject({ refused: { reason: 'InvalidToken' } })

    expect(objectsOf(await lhspn(everybody)).at(-1)).toMatchObject({ counts: { planned: 2, accepted: 2 } })
    simulator.script({})
    expect((await request('PUT', `/v1/devices/${second}`, {})).status).toBe(200)
    expect(objectsOf(await lhspn(everybody)).at(-1)).toMatchObject({ counts: { planned: 3, accepted: 3 } })
  })

  test('a device in the feedback is removed only if it has not registered since', async () => {
    const installation = await gatewayInstallation({}, { databaseUrl: await databaseUrl() })
    const { config, simulator } = installation
    const { request } = await served(installation)
    for (const token of [first, second]) await request('PUT', `/v1/devices/${token}`, { app })
    // serve reads the service when it starts
    await simulator.journal.waitFor(({ feedbackReads }) => feedbackReads === 1)
    const later = Math.ceil(Date.now() / 1000)
    const feedback = [
      { token: first, at: later },
      { token: second, at: later - 3600 },
      { token: third, at: later },
    ]
    simulator.script({ feedback })

    const ended = await lhspn(['--config', config, 'feedback'])
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/^3 devices read: 1 removed, 2 kept/) })
    expect(ended.stdout.split('\n')).toHaveLength(4)
    expect((await request('GET', `/v1/devices/${second}`)).status).toBe(200)
    const gone = await request('GET', `/v1/devices/${first}`)
    expect([gone.status, await gone.json()]).toEqual([
      410,
      expect.objectContaining({ tombstone: expect.objectContaining({ cause: 'feedback' }) }),
    ])
    const shown = await lhspn(['--config', config, 'devices', 'show', first])
    expect(shown).toMatchObject({ code: 4, stdout: expect.stringContaining('the feedback service named it') })
  })
})
