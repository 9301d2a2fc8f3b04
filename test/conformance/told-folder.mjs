/** A folder for tests: its records are the rows of history that a group tells. Plain JavaScript, because the fold's thread loads it without a compiler. */
export function empty() {
  return {};
}

export function load() {
  return {};
}

export function applyGroup(_state, _epoch, records) {
  return JSON.parse(new TextDecoder().decode(records));
}

export function finished() {
  return [];
}

export function save() {
  return new TextEncoder().encode('{}');
}

export function liveBlobs() {
  return [];
}
