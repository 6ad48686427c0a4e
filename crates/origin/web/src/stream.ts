/** How often to ask for a stream that is not there: soon at first, then less and less often. */
const ASK_MS_MIN = 1_000;
const ASK_MS_MAX = 5_000;
const ASK_GROWTH = 1.5;
/** Share of a pause that is left to chance, so that a waiting crowd does not ask all at once. */
const JITTER = 0.3;
/** An origin that has said nothing for this long will not. */
export const ANSWER_MS_MAX = 10_000;

export type Found = "there" | "missing" | "refused" | "unreachable";

/** So much time or a little less: what a crowd of viewers does not do in step. */
export const jittered = (ms: number): number => ms * (1 - JITTER * Math.random());

/** A pause that is {@link jittered}. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, jittered(ms)));
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
  return poll(async () => (await look(url)).found, tell);
}

/** Waits for a stream that has ended to begin anew under the same address. */
export function streamBeginsAnew(url: string, tell: (found: Found) => void): Promise<void> {
  return poll(() => lookBeyondEnd(url), tell);
}

/** Looks whether there is a stream, other than one that has its end. */
export async function lookBeyondEnd(url: string): Promise<Found> {
  const multivariant = await look(url);
  const first = multivariant.text.split("\n").find((line) => line && !line.startsWith("#"));
  if (multivariant.found !== "there" || !first) return "missing";
  const media = await look(new URL(first.trim(), new URL(url, location.href)).href);
  return media.found === "there" && media.text.includes("#EXT-X-ENDLIST") ? "missing" : media.found;
}

/** Looks whether there is a stream. The text is the playlist, or why it is refused. */
export async function look(url: string): Promise<{ found: Found; text: string }> {
  try {
    const response = await fetch(url, { cache: "no-cache", signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (response.ok) return { found: "there", text: await response.text() };
    if (response.status === 403) return { found: "refused", text: await response.text() };
    return { found: response.status === 404 ? "missing" : "unreachable", text: "" };
  } catch {
    return { found: "unreachable", text: "" };
  }
}

/** Where the stream of a channel or an event is; `name` is percent-encoded. A token stands in the path, which is what
 *  the addresses in playlists keep. */
export function streamUrl(name: string, token: string | null): string {
  return `${token ? `/token/${encodeURIComponent(token)}` : ""}/live/${name}/index.m3u8`;
}

/** The token in the page's fragment, `#token=…`, which browsers send to nobody. */
export function tokenInFragment(): string | null {
  return new URLSearchParams(location.hash.slice(1)).get("token");
}
