import { expect, test } from 'vitest'

import { lhspn, objectsOf, gatewayInstallation } from './lhspn.ts'

test('create shows the key this once, alone on stdout; list shows everything but the keys', async () => {
  const { config } = await gatewayInstallation()
  const flags = ['--scope', 'register', '--app', 'com.example.app', '--name', 'in the app']
  const made = await lhspn(['--config', config, 'keys', 'create', ...flags])
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^lhk_register_[0-9A-Za-z]{40}\n$/) })
  expect(made.stderr).toMatch(/^key_\w{26}, scope register, com\.example\.app\. The key is shown this once/)
  const listed = await lhspn(['--config', config, 'keys', 'list'])
  expect(listed.stdout).toMatch(/\nkey_\w{26} +register +com\.example\.app +in the app +\d{4}-\d\d-\d\d +never\n/)
  expect(listed.stdout).not.toContain('lhk_')
  const json = await lhspn(['--config', config, '--json', 'keys', 'create', '--scope', 'send'])
  expect(objectsOf(json)).toEqual([
    expect.objectContaining({
      id: expect.stringMatching(/^key_/),
      scope: 'send',
      app: null,
      lastUsedAt: null,
      key: expect.stringMatching(/^lhk_send_/),
    }),
  ])
  expect(json.stderr).toBe('')
  expect(objectsOf(await lhspn(['--config', config, '--json', 'keys', 'list']))).toHaveLength(2)
})

test('delete deletes once; a second time there is no such key: exit 4', async () => {
  const { config } = await gatewayInstallation()
  await lhspn(['--config', config, 'keys', 'create', '--scope', 'admin'])
  const [key] = objectsOf(await lhspn(['--config', config, '--json', 'keys', 'list'])) as { id: string }[]
  const id = key?.id ?? ''
  expect(await lhspn(['--config', config, 'keys', 'delete', id])).toEqual({
    code: 0,
    stdout: `deleted ${id}\n`,
    stderr: '',
  })
  expect(await lhspn(['--config', config, 'keys', 'delete', id])).toMatchObject({ code: 4, stdout: '' })
  const listed = await lhspn(['--config', config, 'keys', 'list'])
  expect(listed).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('There is no API key') })
})

test.for([
  [['--scope', 'admim'], 2, 'did you mean admin?'],
  [['--scope', 'send', '--app', 'com.example.ap'], 4, 'did you mean com.example.app?'],
  [['--scope', 'send', '--name', 'x'.repeat(101)], 2, '100 characters'],
  [[], 2, '--scope'],
] as const)('create %s: exit %i', async ([flags, code, text]) => {
  const { config } = await gatewayInstallation()
  const ended = await lhspn(['--config', config, 'keys', 'create', ...flags])
  expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(text) })
})
