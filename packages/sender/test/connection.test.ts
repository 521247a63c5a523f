import dns from 'node:dns'
import { once } from 'node:events'
import { createServer as createTcpServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { createServer, type TlsOptions, type TLSSocket } from 'node:tls'

import { createCertificates } from '@lhspn/apns-simulator'
import { afterAll, describe, expect, test, type TestContext, vi } from 'vitest'

import { Connection, type ConnectionTarget } from '../src/connection.ts'
import { openCertificate, secureContextOf } from '../src/credentials.ts'
import type { SenderError } from '../src/errors.ts'
import { parseProxy } from '../src/proxy.ts'
import { Signal } from '../src/signal.ts'
import { expectNoLeftovers } from './leftovers.ts'
import { signingKey } from './provider-delivery.ts'
import { listen, openProxy, type ProxyLog } from './proxy.ts'
import { certificates } from './raw-http2-server.ts'

afterAll(expectNoLeftovers)

const credentials = certificates.then(({ client }) => openCertificate(Buffer.from(client)))
const PASSWORD = 'sésame:open'

/** A TLS server that does as the test says with each connection. */
async function openServer(
  context: TestContext,
  serve: (socket: TLSSocket) => void,
  options: TlsOptions = {},
): Promise<number> {
  const { server: identity } = await certificates
  const server = createServer({ ...identity, ...options }, (socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  return listen(context, server)
}

/** A connection, and all that it reported. */
class Observed {
  readonly reports: string[] = []
  readonly connection: Connection
  bytes = Buffer.alloc(0)
  error: SenderError | undefined
  readonly #changed = new Signal()

  constructor(context: TestContext, target: ConnectionTarget, address = `${target.host}:${target.port}`) {
    const report = (what: string): void => {
      this.reports.push(what)
      this.#changed.fire()
    }
    this.connection = new Connection(target, address, {
      opened: () => report('opened'),
      received: (bytes) => {
        this.bytes = Buffer.concat([this.bytes, bytes])
        report('received')
      },
      drained: () => report('drained'),
      closed: (error) => {
        this.error = error
        report('closed')
      },
    })
    context.onTestFinished(async () => {
      this.connection.close()
      await this.until(() => this.reports.includes('closed'))
      expect(this.reports.filter((what) => what === 'closed')).toHaveLength(1)
      expect(this.reports.at(-1)).toBe('closed')
    })
  }

  async until(holds: () => boolean): Promise<this> {
    while (!holds()) await this.#changed.wait()
    return this
  }

  opened(): Promise<this> {
    return this.until(() => this.reports.includes('opened'))
  }

  closed(): Promise<this> {
    return this.until(() => this.reports.includes('closed'))
  }
}

async function targetOf(port: number, more: Partial<ConnectionTarget> = {}): Promise<ConnectionTarget> {
  const secureContext = secureContextOf(await credentials, (await certificates).ca)
  return { host: '127.0.0.1', port, secureContext, ...more }
}

/** All that a server reads, once the other side has ended. */
async function readToEnd(socket: TLSSocket): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

describe.each(['straight', 'through a proxy'])('%s', (way) => {
  /** Connects to a server of 127.0.0.1. */
  async function open(
    context: TestContext,
    port: number,
    more: Partial<ConnectionTarget> = {},
  ): Promise<{ observed: Observed; proxy: ProxyLog | undefined }> {
    if (way === 'straight') return { observed: new Observed(context, await targetOf(port, more)), proxy: undefined }
    const proxy = await openProxy(context)
    const address = parseProxy(`http://127.0.0.1:${proxy.port}`)
    return { observed: new Observed(context, await targetOf(port, { proxy: address, ...more })), proxy }
  }

  test('bytes go both ways, and one that is closed reports no error', async (context) => {
    const port = await openServer(context, (socket) => void socket.pipe(socket))
    const { observed } = await open(context, port)
    await observed.opened()
    const sent = Buffer.alloc(1_000_000, 'abcdefg')
    let written = 0
    for (let at = 0; at < sent.length; at += 50_000) {
      observed.connection.write(sent.subarray(at, at + 50_000), () => (written += 1))
    }
    expect(observed.connection.full).toBe(true)
    await observed.until(() => observed.bytes.length === sent.length)
    expect(observed.bytes.equals(sent)).toBe(true)
    expect(written).toBe(20)
    expect(observed.connection.full).toBe(false)
    expect(observed.reports).toContain('drained')
    observed.connection.close()
    await observed.closed()
    expect(observed.error).toBeUndefined()
  })

  test('while it is paused nothing is reported, and nothing is lost', async (context) => {
    let served: TLSSocket | undefined
    const port = await openServer(context, (socket) => {
      served = socket
      socket.write('a')
    })
    const { observed } = await open(context, port)
    await observed.until(() => observed.bytes.length === 1)
    observed.connection.pause()
    await new Promise<void>((resolve) => served?.write('b', () => resolve()))
    for (let turns = 0; turns < 20; turns++) await setImmediate()
    expect(observed.bytes.toString()).toBe('a')
    observed.connection.resume()
    await observed.until(() => observed.bytes.length === 2)
    expect(observed.bytes.toString()).toBe('ab')
  })

  test('what a server said before a write failed is read', async (context) => {
    const gone = new Signal()
    const port = await openServer(context, (socket) => {
      socket.once('data', () => socket.end('the answer', () => socket.destroy()))
      socket.once('close', () => gone.fire())
    })
    const { observed, proxy } = await open(context, port)
    await observed.opened()
    observed.connection.pause()
    const isGone = (proxy?.left ?? gone).wait()
    observed.connection.write(Buffer.from('x'), () => {})
    await isGone
    while (!observed.connection.full) {
      observed.connection.write(Buffer.from('x'), () => {})
      await setImmediate()
    }
    observed.connection.resume()
    await observed.closed()
    expect(observed.bytes.toString()).toBe('the answer')
  })

  test('HTTP/2 is agreed on', async (context) => {
    const agreed: (string | false | null)[] = []
    const greet = (socket: TLSSocket): void => {
      agreed.push(socket.alpnProtocol)
      socket.write('hello')
    }
    const port = await openServer(context, greet, { ALPNProtocols: ['http/1.1', 'h2'] })
    for (const more of [{ protocol: 'h2' }, {}] as const) {
      const { observed } = await open(context, port, more)
      await observed.until(() => observed.bytes.length > 0)
    }
    expect(agreed).toEqual(['h2', false])
  })

  test.for<{ server: string; options: TlsOptions }>([
    { server: 'knows no ALPN', options: {} },
    { server: 'speaks HTTP/1.1 alone', options: { ALPNProtocols: ['http/1.1'] } },
    { server: 'speaks HTTP/1.1 alone, over TLS 1.2', options: { ALPNProtocols: ['http/1.1'], maxVersion: 'TLSv1.2' } },
  ])('a server that $server is not the one that was looked for', async ({ options }, context) => {
    const port = await openServer(context, (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), options)
    const { observed } = await open(context, port, { protocol: 'h2' })
    await observed.closed()
    expect(observed.reports).toEqual(['closed'])
    expect(observed.error).toMatchObject({ name: 'SenderError', code: 'unreachable' })
    expect(observed.error?.message).toContain(`127.0.0.1:${port}`)
    expect(observed.error?.message).toContain('HTTP/2')
  })

  test('a server whose CA is not the given one is not trusted', async (context) => {
    const { ca } = await createCertificates()
    const port = await openServer(context, () => {})
    const { observed, proxy } = await open(context, port, { secureContext: secureContextOf(await credentials, ca) })
    await observed.closed()
    expect(observed.error).toMatchObject({ code: 'untrusted-server' })
    const through = proxy === undefined ? '' : ` through the proxy 127.0.0.1:${proxy.port}`
    expect(observed.error?.message).toContain(`127.0.0.1:${port}${through} showed a certificate`)
  })

  test.for(['TLSv1.2', 'TLSv1.3'] as const)(
    'over %s, a server that asks for a certificate takes no signing key',
    async (maxVersion, context) => {
      const { ca } = await certificates
      const port = await openServer(context, () => {}, { requestCert: true, ca, maxVersion })
      const { observed } = await open(context, port, { secureContext: secureContextOf(signingKey, ca) })
      await observed.closed()
      expect(observed.error).toMatchObject({ code: 'credentials-refused' })
      const { observed: shown } = await open(context, port)
      await shown.opened()
    },
  )

  test('its last words come after all else, and then its end', async (context) => {
    let read: Promise<Buffer> | undefined
    const port = await openServer(context, (socket) => {
      read = readToEnd(socket)
    })
    const { observed } = await open(context, port)
    await observed.opened()
    const sent = Buffer.alloc(500_000, 'abcdefg')
    observed.connection.write(sent, () => {})
    observed.connection.close(Buffer.from('goodbye'))
    await observed.closed()
    expect(observed.error).toBeUndefined()
    expect((await read)?.toString()).toBe(`${sent.toString()}goodbye`)
  })

  test('after it is closed nothing is reported, whatever comes and fails', async (context) => {
    const port = await openServer(context, (socket) => {
      const talk = (error?: Error | null): void => {
        if (!error) socket.write(Buffer.alloc(16_384), talk)
      }
      talk()
      // With the rest unread: a reset.
      socket.once('data', () => socket.destroy())
    })
    const { observed } = await open(context, port)
    await observed.until(() => observed.bytes.length > 0)
    const reports = [...observed.reports, 'closed']
    observed.connection.close(Buffer.alloc(100_000))
    await observed.closed()
    expect(observed.reports).toEqual(reports)
    expect(observed.error).toBeUndefined()
  })

  test('a server that does not take the last words is not waited for long', async (context) => {
    const port = await openServer(context, (socket) => void socket.pause())
    const { observed } = await open(context, port)
    await observed.opened()
    while (!observed.connection.full) {
      observed.connection.write(Buffer.alloc(1_000_000), () => {})
      await setImmediate()
    }
    observed.connection.close(Buffer.from('goodbye'))
    await observed.closed()
    expect(observed.error).toBeUndefined()
    // A second one that is hurried.
    const { observed: hurried } = await open(context, port)
    await hurried.opened()
    hurried.connection.write(Buffer.alloc(20_000_000), () => {})
    hurried.connection.close(Buffer.from('goodbye'))
    hurried.connection.close()
    await hurried.closed()
  })

  test('one that is closed before it is open says nothing', async (context) => {
    let greeted = 0
    const port = await openServer(context, () => (greeted += 1))
    const { observed } = await open(context, port)
    observed.connection.close(Buffer.from('goodbye'))
    await observed.closed()
    expect(observed.reports).toEqual(['closed'])
    expect(observed.error).toBeUndefined()
    expect(greeted).toBe(0)
  })
})

test.for([
  ['localhost', 'localhost'],
  ['127.0.0.1', false],
] as const)('connected to %s, a server is told the name %s', async ([host, expected], context) => {
  const names: (string | false | null | undefined)[] = []
  const port = await openServer(context, (socket) => {
    names.push((socket as { servername?: string | false }).servername)
    socket.write('hello')
  })
  const proxy = parseProxy(`http://127.0.0.1:${(await openProxy(context)).port}`)
  for (const more of [{}, { proxy }]) {
    const observed = new Observed(context, await targetOf(port, { host, ...more }))
    await observed.until(() => observed.bytes.length > 0)
  }
  expect(names).toEqual([expected, expected])
})

test('the name of a server, or of a proxy, is looked up anew for each connection', async (context) => {
  const lookup = vi.spyOn(dns, 'lookup')
  context.onTestFinished(() => lookup.mockRestore())
  const port = await openServer(context, () => {})
  const proxy = parseProxy(`http://localhost:${(await openProxy(context)).port}`)
  const targets = [await targetOf(port, { host: 'localhost' }), await targetOf(port, { proxy })]
  for (const target of [...targets, ...targets]) await new Observed(context, target).opened()
  const names = lookup.mock.calls.map(([host]) => host).filter((host) => host !== '127.0.0.1')
  expect(names).toEqual(['localhost', 'localhost', 'localhost', 'localhost'])
})

describe('a proxy', () => {
  const encoded = `user:${encodeURIComponent(PASSWORD)}`
  const authorization = `Basic ${Buffer.from(`user:${PASSWORD}`).toString('base64')}`

  /** A connection to nowhere through a proxy that answers with these bytes, or says nothing. */
  async function openThrough(context: TestContext, answer: string | undefined, ends = false): Promise<Observed> {
    const port = await listen(
      context,
      createTcpServer((socket) => {
        socket.once('data', () => {
          if (answer !== undefined) socket.write(answer)
          if (ends) socket.end()
        })
      }),
    )
    const proxy = parseProxy(`http://${encoded}@127.0.0.1:${port}`)
    return new Observed(context, { ...(await targetOf(443)), host: 'api.example.com', proxy }, 'api.example.com:443')
  }

  test('is told the server by name, and our user and password where it has them', async (context) => {
    const port = await openServer(context, () => {})
    const { port: proxyPort, asked } = await openProxy(context)
    for (const user of ['', `${encoded}@`]) {
      const proxy = parseProxy(`http://${user}127.0.0.1:${proxyPort}`)
      await new Observed(context, await targetOf(port, { host: 'localhost', proxy })).opened()
    }
    expect(asked.map(({ target }) => target)).toEqual([`localhost:${port}`, `localhost:${port}`])
    expect(asked.map(({ headers }) => headers.host)).toEqual([`localhost:${port}`, `localhost:${port}`])
    expect(asked.map(({ headers }) => headers['proxy-authorization'])).toEqual([undefined, authorization])
  })

  test.for<{ rule: string; answer: string; says: RegExp; ends?: boolean }>([
    {
      rule: 'that wants another password',
      answer: 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nsorry',
      says: /^The proxy 127\.0\.0\.1:\d+ answered 407 to CONNECT api\.example\.com:443$/,
    },
    {
      rule: 'that cannot reach the server',
      answer: 'HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n',
      says: /answered 502 to CONNECT/,
    },
    { rule: 'that wants us elsewhere', answer: 'HTTP/1.0 302 Found\r\nLocation: /login\r\n\r\n', says: /answered 302/ },
    {
      rule: 'that is none',
      answer: '220 mail.example.com ESMTP\r\n',
      says: /to the proxy 127\.0\.0\.1:\d+ failed: Parse Error: Expected HTTP/,
    },
    {
      rule: 'that never ends its answer',
      answer: `HTTP/1.1 200 OK\r\n${'X-Filler: and more\r\n'.repeat(5000)}`,
      says: /to the proxy .+ failed: Parse Error: Header overflow/,
    },
    { rule: 'that ends without an answer', answer: '', ends: true, says: /to the proxy .+ failed: socket hang up/ },
    { rule: 'that ends within its answer', answer: 'HTTP/1.1 200 O', ends: true, says: /to the proxy .+ failed/ },
    {
      rule: 'that ends after it',
      answer: 'HTTP/1.1 200 OK\r\n\r\n',
      ends: true,
      says: /to api\.example\.com:443 through the proxy .+ failed/,
    },
    {
      rule: 'that speaks for the server',
      answer: 'HTTP/1.1 200 OK\r\n\r\nhello, this is no TLS',
      says: /to api\.example\.com:443 through the proxy .+ failed: wrong version number/,
    },
  ])('$rule: unreachable, and no secret in it', async ({ answer, ends, says }, context) => {
    const observed = await openThrough(context, answer, ends)
    await observed.closed()
    expect(observed.reports).toEqual(['closed'])
    const { error } = observed
    expect(error).toMatchObject({ name: 'SenderError', code: 'unreachable' })
    expect(error?.message).toMatch(says)
    const told = `${error?.message} ${error?.remedy} ${String(error?.cause)} ${JSON.stringify(error)}`
    expect(told).not.toContain(PASSWORD)
    expect(told).not.toContain(encodeURIComponent(PASSWORD))
    expect(told).not.toContain(authorization)
  })

  test('that nobody answers for is named', async (context) => {
    const server = createTcpServer()
    const port = await listen(context, server)
    await new Promise((resolve) => server.close(resolve))
    const proxy = parseProxy(`http://127.0.0.1:${port}`)
    const observed = await new Observed(context, await targetOf(443, { proxy })).closed()
    expect(observed.error).toMatchObject({ code: 'unreachable' })
    expect(observed.error?.message).toMatch(new RegExp(`^The connection to the proxy 127\\.0\\.0\\.1:${port} failed: `))
  })

  test('that says nothing is left when the connection is closed', async (context) => {
    let ended: Promise<unknown> | undefined
    const asked = new Signal()
    const port = await listen(
      context,
      createTcpServer((socket) => {
        ended = once(socket, 'close')
        socket.once('data', () => asked.fire())
      }),
    )
    const waiting = asked.wait()
    const proxy = parseProxy(`http://127.0.0.1:${port}`)
    const observed = new Observed(context, await targetOf(443, { proxy }))
    await waiting
    observed.connection.close(Buffer.from('goodbye'))
    await observed.closed()
    expect(observed.reports).toEqual(['closed'])
    expect(observed.error).toBeUndefined()
    await ended
  })
})
