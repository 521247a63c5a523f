import { SIMULATED_TOPIC } from '../simulated-installation.ts'
import { planGone } from './plan.ts'
import type { Stage } from './stage.ts'

/** Opens the installation to whoever wants to try more: with a key, and devices that meet what can happen. */
export async function invite(stage: Stage): Promise<void> {
  const { service, server, simulator, installation } = stage.parts
  const { key } = await service.keys.create({ scope: 'send', app: SIMULATED_TOPIC, name: 'demo' })
  const [refused = '', gone = '', taken = ''] = await stage.audience('production')
  const at = Math.ceil(Date.now() / 1000)
  simulator.script({
    provider: {
      rules: [
        { when: { token: refused }, do: { status: 400, reason: 'BadDeviceToken' } },
        { when: { token: gone }, do: { status: 410, reason: 'Unregistered', timestamp: Date.now() } },
      ],
    },
    feedback: planGone(await stage.audience('sandbox')).map((token) => ({ token, at })),
  })
  const lhspn = `lhspn --config ${installation.config}`
  await stage.tell({ key }, [
    'Everything stays up. In another terminal:',
    `  ${lhspn} send --where lang=de "Hallo"`,
    `  ${lhspn} send --to ${taken} --to ${refused} --to ${gone} "Hello"`,
    `  ${lhspn} devices show ${gone}`,
    `  ${lhspn} pushes list`,
    `  ${lhspn} send --environment sandbox --where plan=pro "Over the gateway"`,
    `  ${lhspn} feedback --environment sandbox`,
    `  curl -H 'Authorization: Bearer ${key}' '${server.url}/v1/devices?count=true&limit=1'`,
    'Ctrl-C ends it and leaves nothing behind.',
  ])
}
