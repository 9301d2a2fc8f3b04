/**
 * A folder for tests: its state is the list of task numbers seen, its records are one such number as text. Plain
 * JavaScript, because the fold's thread loads it without a compiler.
 */
export function empty() {
  return { tasks: [] };
}

export function load(bytes) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

export function applyGroup(state, epoch, records) {
  const text = new TextDecoder().decode(records);
  const task = Number.parseInt(text, 10);
  if (text.startsWith('poison')) throw new Error('a folder that fails');
  state.tasks.push(task);
  const ended = task % 5 === 0 ? 'failed' : 'succeeded';
  return [
    {
      task,
      name: `task-${task % 3}`,
      state: ended,
      endedAt: task * 1000,
      document: JSON.stringify({ task, epoch }),
    },
  ];
}

export function save(state) {
  return new TextEncoder().encode(JSON.stringify(state));
}
