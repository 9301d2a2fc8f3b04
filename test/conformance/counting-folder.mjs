/**
 * A folder for tests: its state is the list of task numbers seen, its records are one such number as text, and maybe
 * the hash of a blob, which is needed until ten more tasks have come. Plain JavaScript, because the fold's thread loads it without a compiler.
 */
export function empty() {
  return { tasks: [], blobs: [] };
}

export function load(bytes) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

export function applyGroup(state, epoch, records) {
  const text = new TextDecoder().decode(records);
  const task = Number.parseInt(text, 10);
  if (text.startsWith('poison')) throw new Error('a folder that fails');
  state.tasks.push(task);
  state.blobs.push(/[0-9a-f]{64}/.exec(text)?.[0] ?? null);
  return [rowOf(task, epoch)];
}

function rowOf(task, epoch) {
  const ended = task % 5 === 0 ? 'failed' : 'succeeded';
  const document = JSON.stringify({ task, epoch, principal: `p-${task % 2}` });
  return { task, name: `task-${task % 3}`, state: ended, endedAt: task * 1000, document };
}

/** The last three; the state does not know in which epoch they ended. */
export function finished(state) {
  return state.tasks.slice(-3).map((task) => rowOf(task, 0));
}

export function save(state) {
  return new TextEncoder().encode(JSON.stringify(state));
}

export function liveBlobs(state) {
  return state.blobs.slice(-10).filter((hash) => hash !== null);
}
