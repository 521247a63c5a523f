import { BlockList, isIP, isIPv6 } from 'node:net'

/** Finds out who asks, where proxies stand between. */
export class ClientAddresses {
  readonly #trusted = new BlockList()

  /** @param trustProxy addresses and networks whose `X-Forwarded-For` counts */
  constructor(trustProxy: readonly string[]) {
    for (const network of trustProxy) {
      const [address = '', bits] = network.split('/')
      const family = isIPv6(address) ? 'ipv6' : 'ipv4'
      if (bits === undefined) this.#trusted.addAddress(address, family)
      else this.#trusted.addSubnet(address, Number(bits), family)
    }
  }

  /**
   * The nearest address that is no trusted proxy: each of them has added the one that it saw at the end of the header.
   * @param peer other end of the connection
   * @param forwardedFor `X-Forwarded-For`, where there is one
   * @returns the address, and whether the header was there without counting for anything
   */
  find(peer: string, forwardedFor: string | undefined): { readonly address: string; readonly ignored: boolean } {
    const hops = (forwardedFor ?? '').split(',').map((hop) => plain(hop.trim()))
    let address = plain(peer)
    const ignored = forwardedFor !== undefined && !this.#isTrusted(address)
    while (this.#isTrusted(address)) {
      const next = hops.pop()
      if (next === undefined || isIP(next) === 0) break
      address = next
    }
    return { address, ignored }
  }

  #isTrusted(address: string): boolean {
    return isIP(address) !== 0 && this.#trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
}

/** Whom a rate limit counts: an IPv4 address, or the first 64 bits of an IPv6 one, all of which are one customer's. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const { hostname } = new URL(`http://[${address.replace(/%.*/, '')}]`)
  const [head = '', tail] = hostname.slice(1, -1).split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - front.length - back.length }, () => '0')
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`
}

/** IPv4 as IPv4, also where the system shows it as IPv6; without the port that some proxies add. */
function plain(address: string): string {
  const bracketed = /^\[([^\]]+)\](:\d+)?$/.exec(address)?.[1] ?? address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bracketed)?.[1] ?? bracketed
  return /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(mapped)?.[1] ?? mapped
}
