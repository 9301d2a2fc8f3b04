/**
 * CUDA compute capability where the driver does not tell (before 510): by the chip's PCI device id, else by the card's
 * name ("Graphics Device" is what an old driver calls a card newer than itself). Tenths; 0 when not known.
 *
 * Sources: the PCI ID database (pci-ids.ucw.cz) for the chips, NVIDIA's table of CUDA GPUs for their capability.
 */

/** Inclusive ranges of PCI device ids, one row for each chip family. */
const byChip: readonly (readonly [first: number, last: number, tenths: number])[] = [
  [0x1340, 0x13bf, 50], // GM108, GM107
  [0x13c0, 0x143f, 52], // GM204, GM206
  [0x15f0, 0x15ff, 60], // GP100
  [0x17c0, 0x17ff, 52], // GM200
  [0x1b00, 0x1d7f, 61], // GP102, GP104, GP106, GP107, GP108
  [0x1d80, 0x1dff, 70], // GV100
  [0x1e00, 0x1fff, 75], // TU102, TU104, TU106, TU117
  [0x2080, 0x20ff, 80], // GA100
  [0x2180, 0x21ff, 75], // TU116
  [0x2200, 0x22ff, 86], // GA102
  [0x2300, 0x23ff, 90], // GH100
  [0x2400, 0x25ff, 86], // GA103, GA104, GA106, GA107
  [0x2680, 0x28ff, 89], // AD102, AD103, AD104, AD106, AD107
  [0x2900, 0x29ff, 100], // GB100
  [0x2b80, 0x2dff, 120], // GB202, GB203, GB206, GB207
  [0x2f00, 0x2f7f, 120], // GB205
];

/** First match counts. */
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
  [/GTX 10\d\d|GT 10[13]0|TITAN Xp|Quadro P\d+|\bP(4|40)\b/i, 61],
  [/GTX 9\d\d|TITAN X|Quadro M\d+|\bM(4|6|10|40|60)\b/i, 52],
  [/GTX 75\d|GTX 745|\bK620\b/i, 50],
];

/** `pciDeviceId` as nvidia-smi prints it: device and vendor, `250310DE`. */
export function guessComputeCapability(name: string, pciDeviceId: string): number {
  const chip = /^(?:0x)?([0-9a-f]{4})10de$/i.exec(pciDeviceId)?.[1];
  const id = chip === undefined ? 0 : Number.parseInt(chip, 16);
  const known = byChip.find(([first, last]) => first <= id && id <= last);
  return known?.[2] ?? byName.find(([pattern]) => pattern.test(name))?.[1] ?? 0;
}
