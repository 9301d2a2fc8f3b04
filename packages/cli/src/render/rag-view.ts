/** Collections and passages, as people read them. */
import type { BehindShard, MissingShard } from '@gryphgen/client';
import {
  type ForgetResult,
  formatBytes,
  type IngestResult,
  type QueryResult,
  type ShardDocument,
  type WeightsResult,
} from '@gryphgen/protocol';
import type { CollectionList, ListedCollection } from '../commands/rag-collections.ts';
import { printable } from '../printable.ts';
import type { Style, Terminal } from '../terminal.ts';
import { table } from './table.ts';
import { age } from './task-view.ts';

/** Of a passage, enough to see what it is about. */
const shownLines = 6;

export function syncLine(path: string, result: IngestResult, style: Style): string {
  const { added, changed, removed, unchanged, failedFiles } = result;
  const parts = [
    `${added} added`,
    `${changed} changed`,
    `${removed} removed`,
    `${unchanged} as before`,
    ...(failedFiles > 0 ? [style.yellow(`${failedFiles} not read`)] : []),
  ];
  return `${printable(path)}: ${parts.join(', ')}`;
}

/** One a line; `machine` where it is not the one that tells. */
export function failedLines(
  failed: readonly { readonly machine?: string; readonly path: string; readonly cause: string }[],
): readonly string[] {
  return failed.map(({ machine, path, cause }) => {
    const where = machine === undefined ? '' : ` of ${printable(machine)}`;
    return `${printable(path)}${where} cannot be read: ${printable(cause)}`;
  });
}

export function collectionLines({ collections, cut }: CollectionList, terminal: Terminal): readonly string[] {
  if (collections.length === 0) return ['there is no collection: "grid rag add NAME PATH" makes one'];
  const rows = collections.flatMap(({ name, vectors, redacts = [], shards, sources }) =>
    sources.map((source) => ({ name, vectors, redacts, shards, ...source })),
  );
  const isParted = rows.some(
    ({ shards }) =>
      shards.length > 1 ||
      shards.some(
        ({ connected, lost, copies = [] }) => !connected || copies.length > 0 || lost !== undefined,
      ),
  );
  const hasVectors = rows.some(({ vectors }) => vectors !== undefined);
  const redacting = rows.some(({ redacts }) => redacts.length > 0);
  return [
    ...table(
      rows,
      [
        { title: 'COLLECTION', value: ({ name }) => name },
        { title: 'FILES', value: ({ files }) => String(files), right: true },
        { title: 'NOT READ', value: ({ failedFiles }) => String(failedFiles), right: true },
        ...(hasVectors ? [{ title: 'VECTORS BY', value: vectorWords }] : []),
        ...(isParted ? [{ title: 'SHARDS', value: shardWords }] : []),
        { title: 'SYNCED', value: ({ syncedAt }) => `${age(Date.now() - syncedAt)} ago` },
        ...(redacting ? [{ title: 'REDACTS', value: redactsOf }] : []),
        { title: 'MACHINE', value: ({ machine }) => printable(machine) },
        { title: 'PATH', value: ({ path }) => printable(path) },
      ],
      terminal.columns,
    ),
    ...(cut ? ['there are more than an answer holds'] : []),
  ];
}

function vectorWords({ vectors }: Pick<ListedCollection, 'vectors'>): string {
  if (vectors === undefined) return '-';
  const { embedding, lacking } = vectors;
  return lacking === 0 ? embedding.model : `${embedding.model}, ${lacking} to come`;
}
/** Who owns them, who has copies, and which machines are away: `3: forge + anvil, anvil (away) + forge (behind), forge`. */
function shardWords({ shards }: Pick<ListedCollection, 'shards'>): string {
  return `${shards.length}: ${shards.map(holderWords).join(', ')}`;
}

function holderWords({ workerName, connected, version = 0, copies = [] }: ShardDocument): string {
  const owner = workerName === '' ? 'nobody' : `${printable(workerName)}${connected ? '' : ' (away)'}`;
  const others = copies.map((copy) => {
    const state = [
      ...(copy.connected ? [] : ['away']),
      ...(copy.version === 0 ? ['to come'] : copy.version === version ? [] : ['behind']),
    ];
    return `${printable(copy.workerName || copy.worker)}${state.length === 0 ? '' : ` (${state.join(', ')})`}`;
  });
  return [owner, ...others].join(' + ');
}

/** One a line, with what a copy that took its owner's place did not have. */
export function shardLines(shards: readonly ShardDocument[]): readonly string[] {
  return shards.map((shard, at) => {
    const { lost } = shard;
    const words = lost === undefined ? '' : `; lost: changes up to ${lost}, sync it again`;
    return `shard ${at + 1}: ${holderWords(shard)}${words}`;
  });
}

/** Of an answer by copies that lack changes. */
export function behindLine(behind: readonly BehindShard[]): string {
  const words = behind.map(
    ({ number, version, of }) => `shard ${number} is a copy as of change ${version} of ${of}`,
  );
  return `not the newest: ${words.join('; ')}`;
}
const redactsOf = ({ redacts }: { readonly redacts: readonly string[] }) => redacts.join(', ');

export function passageLines(
  { results, cut, asked }: Pick<QueryResult, 'results' | 'cut' | 'asked'>,
  { style }: Terminal,
): readonly string[] {
  if (results.length === 0 && asked === 0) return ['there is no word in this that passages are found by'];
  if (results.length === 0) return ['nothing in the collection has these words'];
  const lines = results.flatMap(
    ({ score, source, lines: [first, last], place, revision, title, text = '', around = [] }, index) => {
      const within = place === undefined ? '' : ` (${printable(place)})`;
      const asOf = revision === undefined ? '' : ` at ${revision.slice(0, 12)}`;
      const where = `${printable(source)}:${first}-${last}${within}${asOf}`;
      const heading = title === undefined ? '' : style.dim(`  ${printable(title)}`);
      const body = text.split('\n').slice(0, shownLines);
      return [
        ...(index > 0 ? [''] : []),
        `${style.bold(where)}${heading}  ${style.dim(score.toFixed(2))}`,
        ...body.map((line) => `  ${printable(line)}`),
        ...around.flatMap((beside) => {
          const [from, to] = beside.lines;
          const begins = beside.text.split('\n').slice(0, shownLines);
          return [
            style.dim(`  beside it, ${from}-${to}:`),
            ...begins.map((line) => style.dim(`  ${printable(line)}`)),
          ];
        }),
      ];
    },
  );
  return cut ? [...lines, '', style.dim('there is more than an answer holds')] : lines;
}

/** Of a partial answer: which shards are not in it, and why. */
export function missingLine(missing: readonly MissingShard[]): string {
  const words = missing.map(({ number, why }) => `shard ${number}: ${printable(why)}`);
  return `partial, without ${words.join('; ')}`;
}

export function weightsLines(
  { feedback, versions, replay }: WeightsResult,
  terminal: Terminal,
): readonly string[] {
  const now = Date.now();
  const [inForce] = versions;
  const learned =
    inForce === undefined || inForce.strength === 0
      ? 'nothing learned counts'
      : `version ${inForce.version} counts`;
  return [
    `${feedback} ${feedback === 1 ? 'answer has' : 'answers have'} feedback, ${learned}`,
    ...(replay === undefined ? [] : [replayLine(replay)]),
    ...(versions.length === 0
      ? []
      : [
          '',
          ...table(
            versions,
            [
              { title: 'VERSION', value: ({ version }) => String(version), right: true },
              { title: 'STRENGTH', value: ({ strength }) => strength.toFixed(2), right: true },
              { title: 'QUERIES', value: ({ queries }) => String(queries), right: true },
              {
                title: 'nDCG@10',
                value: ({ before, after }) => `${before.toFixed(3)} to ${after.toFixed(3)}`,
              },
              { title: 'LIKE', value: ({ like }) => (like === undefined ? '-' : String(like)), right: true },
              { title: 'AGE', value: ({ at }) => age(now - at) },
            ],
            terminal.columns,
          ),
        ]),
  ];
}

function replayLine({
  queries,
  before,
  inForce,
  after,
  promoted,
}: NonNullable<WeightsResult['replay']>): string {
  const found = `${before.toFixed(3)} without, ${inForce.toFixed(3)} before, ${after.toFixed(3)} with what was learned now`;
  return `nDCG@10 of ${queries} queries, each held out: ${found}, which ${promoted ? 'counts from now on' : 'is no better and does not count'}`;
}

export function forgetLines({
  passages,
  files,
  feedback,
  searched,
  elsewhere,
}: ForgetResult): readonly string[] {
  return [
    `removed: ${passages} of its passages, ${files} of its files, ${feedback} of its words of feedback`,
    ...searched.map(
      ({ file, bytes, found }) => `${printable(file)}: ${formatBytes(bytes)} searched, found ${found} times`,
    ),
    ...elsewhere.map(
      ({ collection, passages: left }) =>
        `${collection} has it in ${left} passages: "grid rag forget ${collection} …" removes them`,
    ),
  ];
}
