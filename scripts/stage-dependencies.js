// What runs of other people's: the packages that the lock file has for production, pruned to what this platform loads,
// and their licences. `node scripts/stage-dependencies.js FOLDER` copies them to FOLDER/node_modules.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const [into = ''] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));

/** Types, and headers to compile with. */
const unused = /\/(@types\/.*|undici-types|nan|node-addon-api)$/;
const sources = /(\.[mc]?ts|\.map|\.md|\.musl\.node|\.tsbuildinfo|\.cc|\.cpp|\.c|\.h|\.gyp)$/;
/** Folders of native parts: of another platform, of another C library, or what they were compiled from. */
const foreign = [
  new RegExp(
    `^node_modules/zeromq/build/(?!linux(/${process.arch}(/node(/glibc-[^/]+.*)?)?)?$|manifest\\.json$)`,
  ),
  new RegExp(`^node_modules/@photostructure/sqlite/prebuilds/(?!linux-${process.arch}(/|$))`),
  /^node_modules\/(zeromq|@photostructure\/sqlite|cmake-ts)\/(src|vcpkg.*)$/,
];

const licences = [];
for (const path of Object.keys(packages).sort()) {
  const { dev, link, version, license } = packages[path];
  // A link is one of ours, which the program holds.
  if (dev || link || !path.includes('node_modules/') || unused.test(path) || !existsSync(path)) continue;
  mkdirSync(dirname(join(into, path)), { recursive: true });
  const isWanted = (file) =>
    !(file !== path && basename(file) === 'node_modules') &&
    !sources.test(file) &&
    !foreign.some((pattern) => pattern.test(file));
  cpSync(path, join(into, path), { recursive: true, filter: isWanted });
  const texts = readdirSync(path).filter((name) => /^licen[sc]e/i.test(name));
  const title = `${path.split('node_modules/').at(-1)} ${version} (${license ?? 'see its text'})`;
  const words = texts.sort().map((name) => readFileSync(join(path, name), 'utf8').trim());
  licences.push([title, '='.repeat(title.length), ...words, '', ''].join('\n'));
}
mkdirSync(join(into, 'licences'), { recursive: true });
writeFileSync(join(into, 'licences', 'packages.txt'), licences.join('\n'));
