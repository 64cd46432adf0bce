// The words for a length of time and a size, as they stand in every part of a config.

/** A length of time: `"250ms"`, `"2s"`, `"5m"`, `"1h"`, `"30d"`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`
/** A size in bytes: `"512B"`, `"64KiB"`, `"10MiB"`, `"1GiB"`. */
export type Size = `${number}${'B' | 'KiB' | 'MiB' | 'GiB'}`
