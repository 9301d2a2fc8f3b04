/** What runs on a simulated machine for one attempt, or ran there and is kept. */
import type { Exit, ServiceState, StartOrder, StopWhy } from '@gryphgen/worker';
import { instanceScript } from './sim-models.ts';
import { type Script, scriptNoOf } from './task-script.ts';

export interface Unit {
  readonly order: StartOrder;
  readonly script: Script;
  phase: 'made' | 'running' | 'ended';
  starts: number;
  startedAt: number;
  endedAt: number;
  exit: Exit | null;
  stopping: boolean;
  /** What for, once it was told to end; kept beside the container for the worker's next life. */
  stopWhy: StopWhy | null;
  killAt: number;
  service: ServiceState | null;
  /** A process that no keeper holds. */
  lost: boolean;
}

export function makeUnit(order: StartOrder, scripts: ReadonlyMap<number, Script>): Unit {
  return {
    order,
    script: scriptOf(order, scripts),
    phase: 'made',
    starts: 0,
    startedAt: 0,
    endedAt: 0,
    exit: null,
    stopping: false,
    stopWhy: null,
    killAt: Number.POSITIVE_INFINITY,
    service: null,
    lost: false,
  };
}

function scriptOf({ body, envelope, fence }: StartOrder, scripts: ReadonlyMap<number, Script>): Script {
  if (envelope.kind === 'instance') return instanceScript(fence.task, envelope);
  const script = scripts.get(scriptNoOf(body));
  if (script === undefined) throw new Error(`a body of no script: ${body.length} bytes`);
  return script;
}
