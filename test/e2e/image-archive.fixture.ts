/** Archives as `docker save` writes them, made without an engine. */
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { tarPadding, writeTarHeader } from '@gryphgen/runtime';
import { goArch, type PushedImage, tarOf } from './registry.fixture.ts';

export function writeArchive(
  path: string,
  { layers, architecture = goArch() }: PushedImage,
  name: string,
): string {
  const digests = layers.map((layer) => createHash('sha256').update(layer).digest('hex'));
  const config = configOf(digests, architecture);
  const files = layers.map((layer, nth) => [`${nth}/layer.tar`, layer] as const);
  const manifest = manifestOf(
    name,
    files.map(([path]) => path),
  );
  const archive = tarOf({ ...Object.fromEntries(files), 'c.json': config, 'manifest.json': manifest });
  writeFileSync(path, archive);
  return path;
}

/** Of one layer with one file of zeros, which takes no room on the disk. */
export function writeHollowArchive(path: string, name: string, bytes: number): void {
  const layerBytes = 512 + bytes + tarPadding(bytes) + 1024;
  const inner = writeTarHeader('data', bytes);
  const hash = createHash('sha256').update(inner);
  const zeros = Buffer.alloc(1024 * 1024);
  for (let left = layerBytes - 512; left > 0; left -= zeros.length)
    hash.update(zeros.subarray(0, Math.min(left, zeros.length)));
  const config = configOf([hash.digest('hex')], goArch());
  const rest = tarOf({ 'c.json': config, 'manifest.json': manifestOf(name, ['layer.tar']) });
  const file = openSync(path, 'w');
  writeSync(file, Buffer.concat([writeTarHeader('layer.tar', layerBytes), inner]), 0, 1024, 0);
  const at = 512 + layerBytes + tarPadding(layerBytes);
  ftruncateSync(file, at);
  writeSync(file, rest, 0, rest.length, at);
  closeSync(file);
}

function configOf(digests: readonly string[], architecture: string): Buffer {
  const rootfs = { type: 'layers', diff_ids: digests.map((digest) => `sha256:${digest}`) };
  const config = { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] };
  return Buffer.from(JSON.stringify({ architecture, os: 'linux', config, rootfs }));
}

function manifestOf(name: string, layers: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify([{ Config: 'c.json', RepoTags: [name], Layers: layers }]));
}
