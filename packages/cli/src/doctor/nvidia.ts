/** What to do about what nvidia-smi says, by the words of its usual failures. */

const advice: readonly (readonly [words: RegExp, fix: string])[] = [
  [
    /library version mismatch/i,
    'the driver was updated under a running kernel module: reboot (or unload and load the nvidia modules)',
  ],
  [
    /couldn't communicate with the NVIDIA driver|driver\/library|nvml.*driver not loaded/i,
    'load the driver (modprobe nvidia); if that fails, install it again for this kernel: apt-get install linux-headers-$(uname -r) nvidia-driver; with Secure Boot its module must be signed (mokutil --sb-state)',
  ],
  [
    /GPU is lost|fallen off the bus|handle for GPU/i,
    'the card left the bus: reboot; if it comes again, look at power, riser and temperature (journalctl -k | grep -i xid)',
  ],
  [
    /No devices were found/i,
    'the driver runs and sees no card: lspci | grep -i nvidia; journalctl -k | grep -i nvrm',
  ],
  [
    /insufficient permission/i,
    'this user may not open /dev/nvidia*: usermod -aG video,render $USER, then log in again',
  ],
  [/did not answer within/i, 'the driver hangs: journalctl -k | grep -i xid; a reboot ends it'],
  [/compute mode Prohibited/i, 'allow tasks on the card: nvidia-smi -i INDEX -c DEFAULT'],
  [
    /MIG mode/i,
    'make instances (nvidia-smi mig -cgi PROFILE -C), or turn MIG off (nvidia-smi -i INDEX -mig 0)',
  ],
  [/EACCES|permission denied/i, 'make nvidia-smi executable for this user'],
];

export function adviceFor(why: string): string {
  const known = advice.find(([words]) => words.test(why));
  return known?.[1] ?? 'run nvidia-smi by hand; a reboot or a driver update usually helps';
}
