/** What a llama-server is called that somebody has added to a worker: a folder may be named so. */
export const engineNameWords = '1 to 64 of letters, digits, ".", "_", "+" and "-", a letter or digit first';

export function isEngineName(name: string): boolean {
  return /^[A-Za-z0-9][\w.+-]{0,63}$/.test(name);
}
