/**
 * Scratch space on disk is a volume, whose folder a new engine makes root's alone: before the task starts it is made
 * everybody's, as /tmp is. The engine takes a folder's rights from an archive that names it.
 */
import type { Container, ContainerCreateOptions } from 'dockerode';

const blockBytes = 512;

/** A tar of one folder, the one it is unpacked in, with the rights of /tmp. */
function archiveOfRoot(): Buffer {
  const header = Buffer.alloc(blockBytes);
  const put = (offset: number, text: string): void => void header.write(text, offset, 'latin1');
  put(0, '/');
  put(100, '0001777\0');
  put(108, '0000000\0');
  put(116, '0000000\0');
  put(124, '00000000000\0');
  put(136, '00000000000\0');
  put(148, '        ');
  put(156, '5');
  put(257, 'ustar\u000000');
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
  // Two empty blocks are the end of an archive.
  return Buffer.concat([header, Buffer.alloc(2 * blockBytes)]);
}

/** Of a container that is created and not started. */
export async function openScratch(
  container: Container,
  { HostConfig }: ContainerCreateOptions,
  call: (ask: (abortSignal: AbortSignal) => Promise<unknown>) => Promise<unknown>,
): Promise<void> {
  for (const { Type, Target } of HostConfig?.Mounts ?? []) {
    if (Type !== 'volume') continue;
    await call((abortSignal) =>
      container.putArchive(archiveOfRoot(), { path: Target, abortSignal } as Parameters<
        Container['putArchive']
      >[1]),
    );
  }
}
