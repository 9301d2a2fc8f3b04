/**
 * Models brought to a grid: a GGUF file of this machine, or all files of one that is split, read for what they say of
 * themselves, kept beside the broker as an artifact, and named.
 */
import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import {
  failure,
  GridError,
  isModelName,
  type ModelDescription,
  type ModelDocument,
  type ModelPlace,
  type ModelUse,
  modelNameWords,
  modelSpecSchema,
  type RequestArgs,
  type Serving,
  type TextPrefixes,
} from '@gryphgen/protocol';
import { readModel, type Scanned, scanPath } from '@gryphgen/runtime';
import { type ArtifactAsker, bringArtifact, type TransferOptions } from './artifacts.ts';
import { usualPrefixes } from './text-prefixes.ts';

/** Of each slot; a model made for less has less. */
const usualSlotTokens = 8192;
const usualSlots = 4;
const usualIdleMs = 15 * 60_000;

/** What of serving a model is said; the rest follows from its file. */
export interface ModelSettings extends Partial<Serving> {
  /** By default what the file is made for. */
  readonly use?: ModelUse;
  /** Instances that are there with nobody asking, and at most. */
  readonly min?: number;
  readonly max?: number;
  readonly idleMs?: number;
  /** Where its instances are to be, and nowhere else. */
  readonly pinned?: ModelPlace;
  /** Of one that embeds; by default what models of its name are known to want. */
  readonly prefixes?: Partial<TextPrefixes>;
}

export interface ModelFile {
  /** The first of its files, as it was found. */
  readonly path: string;
  readonly files: readonly string[];
  readonly description: ModelDescription;
}

/** Throws GridError `rejected.invalid`: not a model, damaged, or a part of it missing. */
export async function readModelFile(path: string): Promise<ModelFile> {
  const found = await readModel(await realpath(path).catch(() => path));
  if (found.kind === 'refused') throw invalid(found.reason);
  return { path: found.files[0] ?? path, files: found.files, description: found.model };
}

/** How it is served where nothing else is said. Throws GridError `rejected.invalid` for what it cannot do. */
export function servingOf(description: ModelDescription, settings: Partial<Serving>): Serving {
  const { contextTokens } = description;
  const {
    slotTokens = Math.min(usualSlotTokens, contextTokens),
    slots = usualSlots,
    kvType = 'f16',
  } = settings;
  if (slotTokens > contextTokens)
    throw invalid(`${slotTokens} tokens of context: this model was made for ${contextTokens} at most`);
  return { slotTokens, slots, kvType };
}

/** Nothing in a file says that it ranks, other than its name. */
export function useOf({ description, path }: ModelFile): ModelUse {
  if (description.isGenerative) return 'infer';
  return /rerank/i.test(`${description.name} ${basename(path)}`) ? 'rerank' : 'embed';
}

export interface ModelAsker extends ArtifactAsker {
  request(op: 'fetch', args: RequestArgs<'fetch'>): ReturnType<ArtifactAsker['request']>;
  request(op: 'store', args: RequestArgs<'store'>): ReturnType<ArtifactAsker['request']>;
  request(op: 'addModel', args: RequestArgs<'addModel'>): Promise<ModelDocument>;
}

export interface BringOptions extends TransferOptions {
  /** Bytes of its files looked at so far. */
  readonly onRead?: (bytes: number) => void;
}

/**
 * Names what is in `file`, and brings it to the grid where it is not there yet. Again with the same: nothing changes.
 * Throws GridError: settings that the model cannot have, no room, refused, `lost.*`.
 */
export async function addModel(
  asker: ModelAsker,
  name: string,
  file: ModelFile,
  settings: ModelSettings = {},
  options: BringOptions = {},
): Promise<ModelDocument> {
  if (!isModelName(name)) throw invalid(`the name of a model: found "${name}", expected ${modelNameWords}`);
  const { description } = file;
  const { use = useOf(file), min = 0, max = Math.max(1, min), idleMs = usualIdleMs } = settings;
  if ((use === 'infer') !== description.isGenerative)
    throw invalid(
      `${file.path} is a model that ${description.isGenerative ? 'writes' : 'embeds or ranks'}: it cannot be used for ${use}`,
    );
  if (min > max) throw invalid(`at least ${min} instances and at most ${max}: the first is more`);
  const prefixes = textPrefixesOf(file, use, settings);
  const serving = servingOf(description, settings);
  const artifact = await bringArtifact(asker, await scanModel(file, options), options);
  const isSplit = file.files.length > 1;
  return await asker.request('addModel', {
    model: {
      ...{ name, use, artifact, description, serving, idleMs },
      file: isSplit ? basename(file.path) : '',
      replicas: { min, max },
      ...(settings.pinned && { pinned: settings.pinned }),
      ...(prefixes && { prefixes }),
    },
  });
}

/**
 * Keeps one instance loaded at least, at this place if one is named; 'off': none, and anywhere. Throws GridError: no such place, it does
 * not fit there.
 */
export async function pinModel(
  asker: Pick<ModelAsker, 'request'>,
  document: ModelDocument,
  place: ModelPlace | 'off' | undefined,
): Promise<ModelDocument> {
  const { pinned: _, ...spec } = modelSpecSchema.parse(document);
  const { min, max } = spec.replicas;
  const isOff = place === 'off';
  const replicas = { min: isOff ? 0 : Math.max(1, min), max };
  const pinned = isOff ? undefined : place;
  const model = { ...spec, replicas, ...(pinned && { pinned }) };
  const told = await asker.request('addModel', { model });
  if (pinned === undefined || told.pinned !== undefined) return told;
  throw new GridError(
    failure('rejected.version', 'the broker does not know of places for models: upgrade it'),
  );
}

/** Undefined: nothing stands before its texts. Throws GridError `rejected.invalid`: some for one that does not embed. */
export function textPrefixesOf(
  { description, path }: ModelFile,
  use: ModelUse,
  { prefixes }: ModelSettings,
): TextPrefixes | undefined {
  if (use !== 'embed') {
    if (prefixes === undefined) return undefined;
    throw invalid(`texts have prefixes for a model that embeds, and this one is for ${use}`);
  }
  const usual = usualPrefixes(description.name) ?? usualPrefixes(basename(path));
  const { query, passage } = { query: '', passage: '', ...usual, ...prefixes };
  return query === '' && passage === '' ? undefined : { query, passage };
}

/** Of a split one the folder, without what else is there. */
async function scanModel({ path, files }: ModelFile, { signal, onRead }: BringOptions): Promise<Scanned> {
  const own = new Set(files.map((file) => basename(file)));
  const isSplit = files.length > 1;
  const found = await scanPath(isSplit ? dirname(path) : path, {
    ...(signal && { signal }),
    ...(onRead && { onRead }),
    ...(isSplit && { passOver: (entry: string) => !own.has(entry) }),
  });
  if ('code' in found) throw new GridError(found);
  return found;
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
