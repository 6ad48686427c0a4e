import Hls from "hls.js";
import { playWithHlsJs, playlistDateAt } from "./hlsjs";
import { watchEvent } from "./event";
import { playNatively } from "./native";
import { firstNotice } from "./notice";
import { RETRY_MS, type Play } from "./play";
import { report } from "./report";
import { pause, streamBegins, streamBeginsAnew, streamUrl, tokenInFragment } from "./stream";
import "./style.css";
import { showChannel, showFound, showState, video } from "./view";

/** Waits for the stream of a channel, plays it, and waits again, for as long as the page is open. */
async function watchChannel(url: string, play: Play): Promise<never> {
  for (;;) {
    await streamBegins(url, showFound);
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

const play: Play = (url, over) => {
  report.players += 1;
  return (native ? playNatively : playWithHlsJs)(url, over);
};

window.weir = report;
report.engine = native ? "native" : "hls.js";
showChannel(decodeURIComponent(encoded));
void firstNotice(encoded, () => showState("unreachable")).then((notice) =>
  notice ? watchEvent(encoded, notice, play) : watchChannel(streamUrl(encoded, tokenInFragment()), play),
);
// `?latency` reads the clock that some sources burn into their picture.
if (options.has("latency")) void import("./latency").then(({ watchClock }) => watchClock(video, playlistDateAt));
