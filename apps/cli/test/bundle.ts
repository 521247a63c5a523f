import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import * as esbuild from 'esbuild'
import type { TestProject } from 'vitest/node'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const PACKAGE = fileURLToPath(new URL('../package.json', import.meta.url))

/**
 * For `globalSetup` of vitest: provides `program`, the program put together from the sources. The tests start it hundreds
 * of times; to translate and find each of its files every time would take most of their time.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-program-'))
  await copyFile(PACKAGE, join(folder, 'package.json'))
  const context = await esbuild.context({
    entryPoints: [MAIN],
    outdir: join(folder, 'dist'),
    bundle: true,
    // a command is loaded when it is the one that was typed, as ever
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: ['lhspn-source'],
    plugins: [fromWhereItIs],
  })
  await context.rebuild()
  project.onTestsRerun(async () => void (await context.rebuild()))
  project.provide('program', join(folder, 'dist', 'main.js'))
  return async () => {
    await context.dispose()
    await rm(folder, { recursive: true })
  }
}

/** Ours, and dependencies of many small files. */
const PUT_IN = /^(@lhspn|@hono|@asteasolutions|hono|zod|openapi3-ts|csv-|smol-toml)/
const RESOLVED = { isResolved: true }

/** Other dependencies are loaded from where they are installed, and files beside the sources are found from there. */
const fromWhereItIs: esbuild.Plugin = {
  name: 'from where it is',
  setup(build) {
    build.onResolve({ filter: /^[^.]/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
      if (pluginData === RESOLVED || kind === 'entry-point' || isBuiltin(path) || PUT_IN.test(path)) return undefined
      const found = await build.resolve(path, { kind, importer, resolveDir, pluginData: RESOLVED })
      return { path: pathToFileURL(found.path).href, external: true }
    })
    build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8')
      // main.ts means itself, to be started again
      if (path === MAIN) return { loader: 'ts', contents: text }
      const contents = text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href))
      return { loader: 'ts', contents }
    })
  },
}

declare module 'vitest' {
  interface ProvidedContext {
    /** File of the program, for `node`. */
    program: string
  }
}
