import Hls from "hls.js";
import { playWithHlsJs, playlistDateAt } from "./hlsjs";
import { playNatively } from "./native";
import { report } from "./report";
import { pause, streamBegins, streamBeginsAnew, type Found } from "./stream";
import "./style.css";
import { showChannel, showState, video } from "./view";

/** Why a player is done with a stream. */
export type Outcome = { why: "ended" } | { why: "gone" } | { why: "failed"; code: string };

/** Pause before a player that failed is begun anew. */
const RETRY_MS = 3_000;

/** Waits for the stream, plays it, and waits again, for as long as the page is open. */
async function watch(url: string, native: boolean): Promise<never> {
  const play = native ? playNatively : playWithHlsJs;
  const waiting = (found: Found) =>
    showState(({ there: "starting", missing: "waiting", unreachable: "unreachable" } as const)[found]);
  for (;;) {
    await streamBegins(url, waiting);
    report.players += 1;
    const outcome = await play(url);
    if (outcome.why === "ended") {
      showState("ended");
      await streamBeginsAnew(url, () => undefined);
    } else {
      if (outcome.why === "failed") showState("error", outcome.code);
      // The multivariant playlist may be there all the while; do not rush at it.
      await pause(RETRY_MS);
    }
  }
}

// "/watch/{channel}": the origin has seen to it that there is a name.
const encoded = location.pathname.split("/")[2] ?? "";
// `?native` has the browser's own player tried where hls.js would do.
const options = new URLSearchParams(location.search);
const native = options.has("native") || !Hls.isSupported();

window.weir = report;
report.engine = native ? "native" : "hls.js";
showChannel(decodeURIComponent(encoded));
void watch(`/live/${encoded}/index.m3u8`, native);
// `?latency` reads the clock that some sources burn into their picture.
if (options.has("latency")) void import("./latency").then(({ watchClock }) => watchClock(video, playlistDateAt));
