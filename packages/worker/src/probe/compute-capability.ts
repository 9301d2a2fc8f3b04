/** CUDA compute capability by a card's name, for drivers before 510, which do not tell. Tenths; 0 when not known. */

/** First match counts. From NVIDIA's table of CUDA GPUs, the families a grid may meet with such an old driver. */
const byName: readonly (readonly [pattern: RegExp, tenths: number])[] = [
  [/RTX 50\d\d|RTX PRO \d000 Blackwell/i, 120],
  [/\bB[12]00\b/i, 100],
  [/\bH[12]00\b|\bH800\b/i, 90],
  [/RTX 40\d\d|RTX \d000 Ada|\bL4\b|\bL40S?\b/i, 89],
  [/RTX 30\d\d|RTX A\d000|\bA(2|10|10G|16|40)\b/i, 86],
  [/\bA(30|100|800)\b/i, 80],
  [/RTX 20\d\d|GTX 16\d\d|Quadro RTX|\bT4G?\b|TITAN RTX|\bT\d00\b/i, 75],
  [/TITAN V|\bV100S?\b|Quadro GV100/i, 70],
  [/\bP100\b|Quadro GP100/i, 60],
  [/GTX 10\d\d|GT 10[13]0|TITAN Xp?\b.*Pascal|TITAN Xp|Quadro P\d+|\bP(4|40)\b/i, 61],
  [/GTX 9\d\d|TITAN X|Quadro M\d+|\bM(4|6|10|40|60)\b/i, 52],
  [/GTX 75\d|GTX 745|\bK620\b/i, 50],
];

export function computeCapabilityByName(name: string): number {
  return byName.find(([pattern]) => pattern.test(name))?.[1] ?? 0;
}
