import { createHmac, createCipheriv } from 'node:crypto'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { DEFAULT_CIPHERS, TLSSocket, createSecureContext } from 'node:tls'

import type { Certificates } from './certificates.ts'

/**
 * Ends a handshake as a server does that will not have the client's certificate: with the fatal alert
 * "certificate revoked", where the client has sent its certificate. Node cannot do this by itself (it closes without an
 * alert), so the alert's record is made here: in the clear under TLS 1.2, encrypted under TLS 1.3 (RFC 8446), where the
 * client already takes the connection for open. `protocols`: what it agrees to by ALPN.
 */
export function refuseCertificate(raw: Socket, certificates: Certificates, protocols: readonly string[] = []): void {
  let serverSecret: Buffer | undefined
  let serverHasSpoken = false
  const wire = new Duplex({
    read() {},
    write(chunk: Uint8Array, _encoding, done) {
      serverHasSpoken = true
      raw.write(chunk, () => done())
    },
  })
  const handshake = new TLSSocket(wire, {
    isServer: true,
    requestCert: true,
    ...(protocols.length > 0 ? { ALPNProtocols: [...protocols] } : {}),
    secureContext: createSecureContext({ ...certificates.server, ca: certificates.ca, ciphers: CIPHERS }),
  })
  const end = () => {
    handshake.destroy()
    wire.destroy()
  }
  handshake.on('keylog', (line: Buffer) => {
    const [label, , secret] = line.toString('latin1').trim().split(' ')
    if (label === 'SERVER_TRAFFIC_SECRET_0' && secret !== undefined) serverSecret = Buffer.from(secret, 'hex')
  })
  handshake.on('error', end)
  raw.on('data', (chunk: Buffer) => {
    if (!serverHasSpoken) wire.push(chunk)
    else if (!raw.writableEnded) raw.end(serverSecret === undefined ? PLAIN_ALERT : encryptedAlert(serverSecret))
  })
  raw.on('end', () => raw.end())
  raw.on('close', end)
}

/** One suite of TLS 1.3, which every client knows, so that the alert is encrypted in one way; those of TLS 1.2 as Node has them. */
const SUITE = 'TLS_AES_128_GCM_SHA256'
const CIPHERS = [SUITE, ...DEFAULT_CIPHERS.split(':').filter((name) => !name.startsWith('TLS_'))].join(':')

const FATAL = 2
const CERTIFICATE_REVOKED = 44
/** Type alert (21), version 3.3, two bytes. */
const PLAIN_ALERT = Buffer.from([21, 3, 3, 0, 2, FATAL, CERTIFICATE_REVOKED])

/** The first record under the server's application secret; its number, 0, leaves the nonce as it is. */
function encryptedAlert(secret: Buffer): Buffer {
  // alert, its true type 21, and room for the tag of 16 bytes
  const plain = Buffer.from([FATAL, CERTIFICATE_REVOKED, 21])
  const header = Buffer.from([23, 3, 3, 0, plain.length + 16])
  const cipher = createCipheriv('aes-128-gcm', expandLabel(secret, 'key', 16), expandLabel(secret, 'iv', 12))
  cipher.setAAD(header)
  return Buffer.concat([header, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** HKDF-Expand-Label with an empty context (RFC 8446, 7.1), for outputs that fit in one round of SHA-256. */
function expandLabel(secret: Buffer, label: string, length: number): Buffer {
  const full = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([0, length, full.length]), full, Buffer.from([0, 1])])
  return createHmac('sha256', secret).update(info).digest().subarray(0, length)
}
