/** The wire's version, negotiated in HELLO: the broker picks the highest both speak. */
export const wireVersions: readonly number[] = [1];
/** First part of every frame, so that a stray peer of another protocol is told apart before anything is decoded. */
export const wireMagic = 'GG/1';
export const productVersion = '0.1.0';

export function negotiate(offered: readonly number[]): number | undefined {
  return wireVersions.filter((version) => offered.includes(version)).sort((a, b) => b - a)[0];
}
