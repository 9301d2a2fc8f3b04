/** One file of the web, to a folder of this machine: what its digest vouches for. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemAlarms, systemClock } from '@gryphgen/runtime';
import { type DownloadOptions, downloadFile } from './download-file.ts';
import { WebClient, type WebEnvironment } from './web-client.ts';

export interface FileFetch {
  readonly url: URL;
  /** Hex. */
  readonly sha256: string;
  /** Where it is put, and what came of it when it was cut off; made when it is not there. */
  readonly folder: string;
  /** Proxies. */
  readonly env: WebEnvironment;
  readonly signal?: AbortSignal;
  readonly onMoved?: DownloadOptions['onMoved'];
  /** By its first bytes: what is wrong with it, in words; '' when nothing is. */
  readonly amiss: (head: Buffer) => string;
}

/** Resolves with its path. Throws GridError; the signal's reason when that is aborted. */
export async function fetchFile({
  url,
  folder,
  env,
  signal,
  onMoved,
  ...wanted
}: FileFetch): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, createHash('sha256').update(url.href).digest('hex').slice(0, 24));
  const web = await WebClient.open(env);
  try {
    const options = { web, clock: systemClock, alarms: systemAlarms, signal, ...(onMoved && { onMoved }) };
    await downloadFile({ ...wanted, url, path }, options);
    return path;
  } finally {
    await web.close();
  }
}
