/**
 * The files of a home beside the journal's own: that keys work and are private, that lists and settings can be read, and
 * what lies there that no part of the grid has made.
 *
 * 1. `journal/` is looked at by name alone here; in it the lock's file is never opened (runtime/folder-lock, 1).
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckFinding } from '@gryphgen/protocol';
import { apiKeysTrouble, authorizedTrouble, keyTrouble } from '@gryphgen/runtime';

/** What the parts of the grid make in a home, and what its owner may. */
const ours: Readonly<Record<string, RegExp>> = {
  '': /^(keys|journal|audit|artifacts|worker|retrieval|engines|downloads|run|logs|lost\+found|grid\.json|config\.json|engines\.json|policy\.yaml|providers\.yaml|up\.json)$/,
  keys: /^(authorized|[a-z][a-z0-9-]{0,31})\.json$/,
  journal:
    /^(acknowledged|epoch|journal\.(lock|lock-journal|holder)|(journal-[1-9][0-9]{0,8}|history)\.db(-wal|-shm|-journal)?|history\.rebuilt\.db|snapshot-[0-9]{16}\.state|damaged-[0-9TZ-]+)$/,
};
/** Drafts that a crash left: the parts that make them remove them, or pass over them. */
const unfinished = /\.(new|tmp)(-journal|-wal|-shm)?$/;
/** Beside files of one key each: who may enter the grid, and who may ask its gateway. */
const lists: Readonly<Record<string, (home: string) => string | undefined>> = {
  'authorized.json': authorizedTrouble,
  'api-keys.json': apiKeysTrouble,
};
const settingsFiles = ['grid.json', 'config.json'];

export function checkFiles(home: string): CheckFinding[] {
  return [
    ...Object.keys(ours).flatMap((folder) => strays(home, folder)),
    ...checkKeys(home),
    ...checkSettings(home),
  ];
}

function strays(home: string, folder: string): CheckFinding[] {
  const path = join(home, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path).flatMap((name): CheckFinding[] => {
    const file = join(folder, name);
    const note = (what: string, fix: string): CheckFinding[] => [
      { level: 'note', file, place: '', what, fix },
    ];
    if (name.startsWith('damaged-')) {
      const what = 'an earlier start of the broker found this damaged and put it aside';
      return note(what, 'look into it or keep it for a report, then delete it');
    }
    if (unfinished.test(name))
      return note('a draft that a crash left', 'delete it while no daemon runs on this home');
    if (ours[folder]?.test(name)) return [];
    return note('no part of the grid has made it', 'move it away; nothing reads it');
  });
}

function checkKeys(home: string): CheckFinding[] {
  const folder = join(home, 'keys');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name): CheckFinding[] => {
    if (!ours.keys?.test(name)) return [];
    const listTrouble = lists[name];
    const what =
      listTrouble === undefined ? keyTrouble(home, name.replace(/\.json$/, '')) : listTrouble(home);
    if (what === undefined) return [];
    const fix =
      listTrouble !== undefined
        ? 'put a backup of it in its place (grid restore into another home shows it)'
        : 'chmod 600 it if others can read it; else put a backup of it in its place, or delete it and join anew';
    return [{ level: 'damage', file: join('keys', name), place: '', what, fix }];
  });
}

function checkSettings(home: string): CheckFinding[] {
  return settingsFiles.flatMap((file): CheckFinding[] => {
    const path = join(home, file);
    if (!existsSync(path) || !statSync(path).isFile()) return [];
    try {
      JSON.parse(readFileSync(path, 'utf8'));
      return [];
    } catch (error) {
      const what = `it is no JSON: ${error instanceof Error ? error.message : String(error)}`;
      return [
        {
          level: 'damage',
          file,
          place: '',
          what,
          fix: 'mend it by hand, or put a backup of it in its place',
        },
      ];
    }
  });
}
