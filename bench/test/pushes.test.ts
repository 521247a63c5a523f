import { expect, test } from 'vitest'

import { runBench } from './run-bench.ts'

test('pushes, tiny: every device is sent to once, and what is written down is what Apple did', async () => {
  const printed = await runBench('pushes.ts', '--quick')
  // plain, with badges, five pushes, and five times the devices; over the gateway
  expect(printed.match(/^(SQLite|MariaDB)(, badges|, 5 pushes|, 5 × the devices)? {2,}[\d,]+ /gm)).toHaveLength(8)
  expect(
    printed.match(/^(SQLite, gateway|SQLite, gateway, none rejected|by hand|by hand, badges) {2,}[\d,]+ /gm),
  ).toHaveLength(4)
  expect(printed).toContain('right     all 138 counts are what they have to be')
})
