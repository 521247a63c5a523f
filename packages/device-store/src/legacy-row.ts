export interface LegacyImportOptions {
  readonly app: string
}
export interface LegacyImport {
  readonly saved: number
}
