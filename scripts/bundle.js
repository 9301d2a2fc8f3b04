/**
 * Makes one program of what `tsc` built: `packages/cli/dist/grid`, which `grid` runs.
 *
 * A command would otherwise open some five hundred small files before it does anything: most of its time, and of its
 * processor time. What is plain JavaScript and loads on every start goes in; the rest stays in node_modules, as it has
 * native parts or is needed by daemons alone.
 */
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const packages = fileURLToPath(new URL('../packages', import.meta.url));
const folder = join(packages, 'cli/dist/grid');
/** Beside the project's own packages. */
const bundled = ['commander', 'yaml', 'zod'];

/** Files that are started by their place beside the one that names them: threads and processes of their own. */
const started = [
  'broker/dist/journal/journal-thread',
  'broker/dist/journal/fold-thread',
  'broker/dist/fold',
  'broker/dist/fsck/fsck-thread',
  'broker/dist/artifacts/artifact-process',
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
        : found(path, importer) === found(path, join(folder, 'main.js'))
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
for (const file of readdirSync(folder)) if (!made.has(file)) rmSync(join(folder, file));
