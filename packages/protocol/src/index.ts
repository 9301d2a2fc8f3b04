/** The words every part of the grid shares: ids, tasks, resources, messages, frames and failures. */
export * from './failure.ts';
export * from './ids.ts';
export * from './limits.ts';
export * from './messages.ts';
export * from './resources.ts';
export * from './task-spec.ts';
export * from './units.ts';
export * from './version.ts';
