#!/usr/bin/env node
// Before anything else is imported: an old Node.js could not even read it, and a fresh checkout has nothing built yet.
import { existsSync } from 'node:fs';

const [major, minor] = process.versions.node.split('.').map(Number);
const entry = new URL('../dist/grid/main.js', import.meta.url);
let problem = '';
if (major < 20 || (major === 20 && minor < 19)) {
  problem = `Node.js ${process.version} is too old: 20.19 or newer is needed, see docs/install.md`;
} else if (!existsSync(entry)) {
  problem = 'it is not built yet: ./scripts/quickstart.sh installs and builds, or npm ci && npm run build';
}
if (problem === '') {
  await import(entry.href);
} else {
  process.stderr.write(`grid: ${problem}\n`);
  process.exitCode = 2;
}
