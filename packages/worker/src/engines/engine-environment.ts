/**
 * The environment of a llama-server: the least that it needs, and never the worker's own.
 *
 * 1. Which cards it sees is said here: none, unless it is given one (the rest of the machine is somebody else's).
 */
import type { DeviceUuid } from '@gryphgen/protocol';

export type Environment = Readonly<Record<string, string>>;

/** Where programs and the libraries of their drivers are looked for. */
export interface ProgramPaths {
  readonly path: string;
  /** Of libraries; '' where the worker was started without. */
  readonly libraries: string;
}

/** `devices`: null to look at all there are. */
export function engineEnvironment(
  { path, libraries }: ProgramPaths,
  home: string,
  devices: readonly DeviceUuid[] | null,
): Environment {
  return {
    PATH: path,
    HOME: home,
    ...(libraries !== '' && { LD_LIBRARY_PATH: libraries }),
    // Threads that wait sleep: spinning ones cost their neighbours a core each.
    OMP_WAIT_POLICY: 'passive',
    // A crash is told by its last line, and not held up by a debugger.
    GGML_NO_BACKTRACE: '1',
    ...(devices !== null && { CUDA_VISIBLE_DEVICES: devices.join(',') }),
  };
}
