/** Bits of the clock that scripts/clock-filter burns into a picture: milliseconds since 1970 modulo 2^24. */
const BITS = 24;
const CHECK_BITS = 4;
/** Two squares for the level stand before the bits. */
const BARS = 2 + BITS + CHECK_BITS;
/** Squares in the width of the picture. */
const BARS_IN_WIDTH = 32;
const TURN_MS = 2 ** BITS;
/** Least distance of white from black, of 255, at which the squares are believed to be squares. */
const CONTRAST_MIN = 64;
/** Pixels of a square as it is drawn for reading. */
const DRAWN = 8;

/** Reads the clock of the picture that is shown, again and again. */
export class BarReader {
  private readonly context: CanvasRenderingContext2D;

  constructor() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [BARS * DRAWN, DRAWN];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("this browser draws nothing");
    this.context = context;
  }

  /** Milliseconds modulo 2^24, or `null` where there is no clock or its check fails. */
  read(video: HTMLVideoElement): number | null {
    const bar = Math.floor(video.videoWidth / BARS_IN_WIDTH);
    if (bar === 0) return null;
    this.context.drawImage(video, 0, 0, bar * BARS, bar, 0, 0, BARS * DRAWN, DRAWN);
    const pixels = this.context.getImageData(0, DRAWN / 2, BARS * DRAWN, 1).data;
    const level = (index: number): number => pixels[(index * DRAWN + DRAWN / 2) * 4 + 1] ?? 0;
    const [white, black] = [level(0), level(1)];
    if (white - black < CONTRAST_MIN) return null;
    let value = 0;
    let check = 0;
    for (let index = 2; index < BARS; index += 1) {
      const bit = level(index) > (white + black) / 2 ? 1 : 0;
      if (index < 2 + BITS) value = value * 2 + bit;
      else check = check * 2 + bit;
    }
    let digits = 0;
    for (let rest = value; rest > 0; rest = Math.floor(rest / 16)) digits += rest % 16;
    return digits % 2 ** CHECK_BITS === check ? value : null;
  }
}

/** How many milliseconds ago a clock read `clock`, when it is `now` milliseconds since 1970. */
export function age(clock: number, now: number): number {
  return (((now - clock) % TURN_MS) + TURN_MS) % TURN_MS;
}

/** Of numbers in any order, the one below which `share` of them lie. */
export function quantile(numbers: readonly number[], share: number): number | null {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}
