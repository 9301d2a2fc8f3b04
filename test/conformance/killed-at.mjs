/**
 * To be preloaded (`--import`): kills its process before the change numbered `KILL_AT` (from 1) that it makes to what lies at
 * a path that begins with `KILL_WITHIN`: a file that is opened to be made, written to, or given its name (`KILL_OF` is
 * `any`; only that, if it is `rename`).
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const at = Number(process.env.KILL_AT);
const within = String(process.env.KILL_WITHIN);
const isAny = process.env.KILL_OF === 'any';
let changes = 0;

function change(path) {
  if (!String(path).startsWith(within)) return false;
  changes += 1;
  if (changes === at) process.kill(process.pid, 'SIGKILL');
  return true;
}

const isWrite = (flags) => isAny && typeof flags === 'string' && /[wax+]/.test(flags);

const { openSync, writeSync, renameSync } = fs;
const opened = new Map();
fs.openSync = (path, flags, ...more) => {
  const counts = isWrite(flags) && change(path);
  const file = openSync(path, flags, ...more);
  opened.set(file, counts ? path : '');
  return file;
};
fs.writeSync = (file, ...more) => {
  change(opened.get(file) ?? '');
  return writeSync(file, ...more);
};
fs.renameSync = (from, to) => {
  change(to);
  renameSync(from, to);
};

const { open, rename } = fs.promises;
fs.promises.open = async (path, flags, ...more) => {
  const counts = isWrite(flags) && change(path);
  const file = await open(path, flags, ...more);
  if (counts) {
    const { writeFile } = file;
    file.writeFile = (...bytes) => {
      change(path);
      return writeFile.apply(file, bytes);
    };
  }
  return file;
};
fs.promises.rename = async (from, to) => {
  change(to);
  await rename(from, to);
};
syncBuiltinESMExports();
