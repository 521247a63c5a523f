export { createCertificates, type Certificates, type CertificatesOptions } from './certificates.ts'
export type { Condition, ConnectionRange, RequestCondition } from './condition.ts'
export { SimulatorError, type SimulatorErrorCode } from './errors.ts'
export type { Journal, JournalEntry, JournalMode, RequestEntry, Verdict, Violation } from './journal.ts'
export type { Pkcs12Kind } from './pkcs12.ts'
export type {
  Goaway,
  ProviderAction,
  ProviderAnswer,
  ProviderConnectionRule,
  ProviderRule,
  ProviderScript,
  StreamReset,
} from './provider-api/provider-script.ts'
export { parseScript, type Action, type Answer, type ConnectionRule, type Rule, type Script } from './script.ts'
export { startSimulator, type Simulator, type SimulatorOptions } from './simulator.ts'
export type { AcceptedKey, Environment, SimulatorSigningKey } from './signing-key.ts'
