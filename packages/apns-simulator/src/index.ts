export { createCertificates, type Certificates, type CertificatesOptions } from './certificates.ts'
export { SimulatorError, type SimulatorErrorCode } from './errors.ts'
export type { Journal, JournalEntry, JournalMode, Verdict } from './journal.ts'
export type { Pkcs12Kind } from './pkcs12.ts'
export {
  parseScript,
  type Action,
  type Answer,
  type Condition,
  type ConnectionRule,
  type Rule,
  type Script,
} from './script.ts'
export { startSimulator, type Simulator, type SimulatorOptions } from './simulator.ts'
