/**
 * Makes one program of what `tsc` built, which `grid` runs:
 *   node scripts/bundle.js [FOLDER]     (default: packages/cli/dist/grid)
 *
 * A command would otherwise open some five hundred small files before it does anything: most of its time, and of its
 * processor time. What is plain JavaScript and loads on every start goes in; the rest stays in node_modules, as it has
 * native parts or is needed by daemons alone.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const packages = fileURLToPath(new URL('../packages', import.meta.url));
const place = join(packages, 'cli/dist/grid');
const folder = process.argv[2] === undefined ? place : resolve(process.argv[2]);
/** A grid that was started before this may yet load a part of what it was. */
const keptMs = 24 * 60 * 60 * 1000;
/** Beside the project's own packages. */
const bundled = ['commander', 'yaml', 'zod'];

/** Files that are started by their place beside the one that names them: threads and processes of their own. */
const started = [
  'broker/dist/journal/journal-thread',
  'broker/dist/journal/fold-thread',
  'broker/dist/fold',
  'broker/dist/fsck/fsck-thread',
  'broker/dist/judging/judge-thread',
  'broker/dist/artifacts/artifact-process',
  'retrieval/dist/store/read-thread',
  'retrieval/dist/store/write-thread',
  'retrieval/dist/parse/parse-thread',
  'retrieval/dist/redact/redact-thread',
  'retrieval/dist/parse/parse-process',
  'worker/dist/calibration/measuring',
];
const entries = ['cli/dist/main', 'worker/dist/executors/process-keeper', ...started];

/** What is not to be bundled is left in node_modules, if the same would be found there from the program's folder. */
const others = {
  name: 'others',
  setup(made) {
    const found = (path, from) => {
      try {
        return createRequire(from).resolve(path);
      } catch {
        return null; // nothing to `require`
      }
    };
    made.onResolve({ filter: /^[@a-z]/ }, ({ path, importer }) =>
      path.startsWith('@gryphgen/') || bundled.includes(path) || importer.includes('/node_modules/')
        ? undefined
        : found(path, importer) === found(path, join(place, 'main.js'))
          ? { path, external: true }
          : undefined,
    );
  },
};

const { metafile } = await build({
  absWorkingDir: packages,
  entryPoints: entries.map((file) => ({ in: `${file}.js`, out: basename(file) })),
  outdir: folder,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  metafile: true,
  logLevel: 'warning',
  plugins: [others],
  // For the parts that are CommonJS.
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
  },
});
const made = new Set(Object.keys(metafile.outputs).map((file) => basename(file)));
for (const file of readdirSync(folder).map((name) => join(folder, name)))
  if (!made.has(basename(file)) && Date.now() - statSync(file).mtimeMs > keptMs) rmSync(file);
