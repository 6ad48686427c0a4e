/** How often to ask for a stream that is not there: soon at first, then less and less often. */
const ASK_MS_MIN = 1_000;
const ASK_MS_MAX = 5_000;
const ASK_GROWTH = 1.5;
/** Share of a pause that is left to chance, so that a waiting crowd does not ask all at once. */
const JITTER = 0.3;
/** An origin that has said nothing for this long will not. */
const ANSWER_MS_MAX = 10_000;

export type Found = "there" | "missing" | "unreachable";

/** A pause that a crowd of viewers does not take in step. */
export function pause(ms: number): Promise<void> {
  const jittered = ms * (1 - JITTER * Math.random());
  return new Promise((resolve) => setTimeout(resolve, jittered));
}

/** Waits until `wanted` answers true, saying through `tell` what was found each time. */
async function poll(wanted: () => Promise<Found>, tell: (found: Found) => void): Promise<void> {
  for (let wait = ASK_MS_MIN; ; wait = Math.min(wait * ASK_GROWTH, ASK_MS_MAX)) {
    const found = await wanted();
    tell(found);
    if (found === "there") return;
    await pause(wait);
  }
}

/** Waits for a stream to begin. */
export function streamBegins(url: string, tell: (found: Found) => void): Promise<void> {
  return poll(async () => (await read(url)).found, tell);
}

/** Waits for a stream that has ended to begin anew under the same address. */
export function streamBeginsAnew(url: string, tell: (found: Found) => void): Promise<void> {
  return poll(async () => {
    const multivariant = await read(url);
    const first = multivariant.text.split("\n").find((line) => line && !line.startsWith("#"));
    if (!first) return "missing";
    const media = await read(new URL(first.trim(), new URL(url, location.href)).href);
    return media.found === "there" && media.text.includes("#EXT-X-ENDLIST") ? "missing" : media.found;
  }, tell);
}

async function read(url: string): Promise<{ found: Found; text: string }> {
  try {
    const response = await fetch(url, { cache: "no-cache", signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (!response.ok) return { found: response.status === 404 ? "missing" : "unreachable", text: "" };
    return { found: "there", text: await response.text() };
  } catch {
    return { found: "unreachable", text: "" };
  }
}
