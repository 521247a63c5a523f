import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, expect, test } from 'vitest'

import { chooseConfigFile, loadConfig } from './config-file.ts'

const directory = mkdtempSync(join(tmpdir(), 'lhspn-config-'))
afterAll(() => rmSync(directory, { recursive: true }))

test.for([
  { named: 'a.toml', variable: 'b.toml', there: ['lhspn.toml'], chosen: 'a.toml' },
  { named: undefined, variable: 'b.toml', there: ['lhspn.toml'], chosen: 'b.toml' },
  { named: undefined, variable: '', there: ['lhspn.toml', '/etc/lhspn/lhspn.toml'], chosen: 'lhspn.toml' },
  { named: undefined, variable: undefined, there: ['/etc/lhspn/lhspn.toml'], chosen: '/etc/lhspn/lhspn.toml' },
  { named: undefined, variable: undefined, there: [], chosen: undefined },
])('--config $named, LHSPN_CONFIG $variable, there are $there: $chosen', ({ named, variable, there, chosen }) => {
  const exists = (path: string): boolean => (there as string[]).includes(path)
  expect(chooseConfigFile(named, { LHSPN_CONFIG: variable }, exists)).toBe(chosen)
})

test('reads the file that is named, and the files that variables name', () => {
  const file = join(directory, 'lhspn.toml')
  const level = join(directory, 'level')
  writeFileSync(file, '[sender]\nattempts = 2\n')
  writeFileSync(level, 'warn\n')
  const config = loadConfig(file, { variables: { LHSPN_LOG_LEVEL_FILE: level } })
  expect([config.file, config.sender.attempts, config.log.level]).toEqual([file, 2, 'warn'])
})

test('a file that is named must be there', () => {
  expect(() => loadConfig(join(directory, 'none.toml'), {})).toThrow(
    expect.objectContaining({ code: 'unreadable-file', message: expect.stringContaining('none.toml') }),
  )
})
