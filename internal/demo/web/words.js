// Numbers as a person says them.

/** Seconds as "9 s", "4 min", "7 h 59 min" or "6 d 23 h". */
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h} h ${m % 60} min`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

/** "1 call", "2 calls". */
export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
