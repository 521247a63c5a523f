/** Every key with its default, commented out: what stands in the file is what somebody chose. */
export const TEMPLATE = `# Configuration of LHSPN. Each key can be set by the environment too: LHSPN_SENDER_ATTEMPTS for sender.attempts.
# What is commented out shows the default. Paths are relative to this file.

[database]
url = "sqlite:lhspn.db"       # or mysql://user@host/name; its password is best given as LHSPN_DATABASE_PASSWORD_FILE
# migrate = "start"           # manual: refuse to start on an old schema, \`lhspn migrate\` brings it up to date

[server]
# listen = "127.0.0.1:8080"   # the HTTP API
# basePath = "/"              # before every path
# trustProxy = []             # addresses and networks whose X-Forwarded-For counts
# drainTimeout = "25s"        # for what is in flight, when serve or work is asked to end

[ops]
# listen = "127.0.0.1:9464"   # /healthz and /readyz, without keys

[legacy]
# enabled = false             # the save-token endpoint of LHSPNservice; it takes no key
# app = "com.example.app"     # whose devices come there; the only app may be left out

[sender]
# connections = 4             # at once, for one app and environment
# connectionsPerSecond = 4    # new ones; faster reconnecting counts as an attack
# requestTimeout = "20s"      # for an answer that must come
# proxy = "http://proxy:3128" # connections to APNs are made through it
# attempts = 5                # times that one notification is written at most
# quietTime = "3s"            # of silence, at a binary gateway that does not answer the confirmation barrier
# assumeAccepted = false      # whether that silence counts as acceptance

[queue]
# url = "redis://redis:6379"  # for many machines; without it the queue is in the database

[dispatcher]
# chunkSize = 5000            # devices that are delivered, judged and marked together
# concurrency = 2             # chunks at once, in one process
# lease = "15s"               # how long a chunk of a process that died stays with it
# mismatchShare = 0.05        # share of rejected tokens that means the wrong environment; 1 is off
# retention = "30d"           # of records of single notifications; the sums of a push stay

[feedback]
# every = "24h"               # how often serve reads the feedback services of apps on a binary gateway

[rateLimit]
# register = "600/1m"         # requests of one address with a register key, or to the legacy endpoint
# api = "600/1m"              # requests of one other key

[log]
# level = "info"              # trace, debug, info, warn, error, silent
# format = "auto"             # text on a terminal, else json

# An app, named by its topic (bundle id); \`lhspn apps add\` writes such a block.
# [[apps]]
# topic = "com.example.app"
# teamId = "DEF123GHIJ"
# key = "keys/AuthKey_ABC123DEFG.p8"        # serves production and sandbox
# keyId = "ABC123DEFG"                      # where the name of the file does not say it
# sandboxKey = "keys/AuthKey_SBX456KLMN.p8" # where a key belongs to one environment
# sandboxKeyId = "SBX456KLMN"
# certificate = "push.pem"                  # instead of teamId and key: certificate and key, .pem or .p12
# sandboxCertificate = "push-sandbox.pem"   # where one certificate does not serve both environments
# passphraseFile = "push.pass"              # where they are encrypted
# provider = "127.0.0.1:8443"               # another provider API than Apple's, as that of a simulator
# sandboxProvider = "127.0.0.1:8443"
# gateway = "push.internal:2195"            # a binary gateway instead of the provider API; it takes certificates only
# feedback = "push.internal:2196"
# sandboxGateway = "push-sandbox.internal:2195"
# sandboxFeedback = "push-sandbox.internal:2196"
# ca = "ca.pem"                             # trusted instead of the system's
# trustedAttributes = ["userId"]            # only send and admin keys may write these
`
