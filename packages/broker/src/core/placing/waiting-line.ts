/** Tasks that are to be placed, each in the line of its class. */
import { classOwner } from '../principals/shares.ts';
import type { BrokerState, Task } from '../state.ts';

export function joinLine(state: BrokerState, { spec, id, principal }: Task): void {
  state.waiting.add(spec, id, classOwner(state, principal));
}

/** `servedAt`: wall ms, of one that was placed. */
export function leaveLine(state: BrokerState, { spec, id, principal }: Task, servedAt = 0): void {
  state.waiting.remove(spec, id, classOwner(state, principal), servedAt);
}
