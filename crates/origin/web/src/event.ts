import { countdownWords, LOOK_MS, nextNotice, untilStart, type Notice } from "./notice";
import { RETRY_MS, type Outcome, type Play } from "./play";
import { report } from "./report";
import { ticketState } from "./state";
import { look, lookBeyondEnd, pause, streamUrl, tokenInFragment } from "./stream";
import { showChannel, showCountdown, showFound, showPreview, showState } from "./view";

const TICK_MS = 250;
const ENDED = "This event has ended.";

/** Follows an event from its announcement, over its preview for those who may see it, to its end. */
export async function watchEvent(name: string, first: Notice, play: Play): Promise<void> {
  let playedOut = false;
  for (let notice = first; ; notice = await nextNotice(name, notice)) {
    showNotice(notice);
    // What may be loaded was settled with the page.
    if (notice.url && originOf(notice.url) !== originOf(first.url)) location.reload();
    if (notice.state === "ended") break;
    const outcome = await (notice.state === "upcoming"
      ? upcoming(name, notice, play)
      : live(name, notice, playedOut, play));
    if (outcome?.why === "ended") {
      playedOut = true;
      showState("ended", "", ENDED);
    } else if (outcome?.why === "failed" && !notice.url) {
      showState("error", outcome.code);
    }
    await pause(outcome ? RETRY_MS : LOOK_MS);
  }
  stopCounting();
  showState("ended", "", ENDED);
}

/** Counts down, unless the viewer's token opens the preview. */
async function upcoming(name: string, notice: Notice, play: Play): Promise<Outcome | null> {
  const token = tokenInFragment();
  const url = streamUrl(name, token);
  if (token && (await look(url)).found === "there") return preview(name, url, notice, play);
  countDown(notice);
  return null;
}

/** Plays what only the bearer of the token can see, and on from there when it goes on air. */
async function preview(name: string, url: string, notice: Notice, play: Play): Promise<Outcome> {
  let playing = true;
  stopCounting();
  void followPreview(name, notice, () => playing);
  try {
    return await play(url);
  } finally {
    playing = false;
    showPreview(false);
  }
}

/** Says that a preview is one for as long as it is. */
async function followPreview(name: string, notice: Notice, playing: () => boolean): Promise<void> {
  for (let now = notice; playing(); now = await nextNotice(name, now)) {
    showNotice(now);
    showPreview(now.state === "upcoming");
    if (now.state !== "upcoming") return;
    await pause(LOOK_MS);
  }
}

/** Plays what is on air, or says what there is instead. */
async function live(name: string, notice: Notice, playedOut: boolean, play: Play): Promise<Outcome | null> {
  stopCounting();
  if (notice.url) return elsewhere(name, notice, notice.url, play);
  const url = streamUrl(name, tokenInFragment());
  if (playedOut) return (await lookBeyondEnd(url)) === "there" ? play(url) : null;
  const { found, text } = await look(url);
  if (found === "refused") showState(ticketState(text));
  else showFound(found);
  return found === "there" ? play(url) : null;
}

/** Plays from another site. Whether that can be is known only when it was tried, and the end of the event is not its end. */
async function elsewhere(name: string, notice: Notice, url: string, play: Play): Promise<Outcome> {
  const over = new AbortController();
  let playing = true;
  void followExternal(name, notice, () => playing).then(() => over.abort());
  try {
    const outcome = await play(url, over.signal);
    if (outcome.why !== "ended") showState("elsewhere");
    return outcome;
  } finally {
    playing = false;
  }
}

/** Waits for the end of an external event, for as long as it plays. */
async function followExternal(name: string, notice: Notice, playing: () => boolean): Promise<void> {
  for (let now = notice; playing() && now.state === "live"; now = await nextNotice(name, now)) {
    await pause(LOOK_MS);
  }
}

function showNotice(notice: Notice): void {
  report.notice = notice.state;
  showChannel(notice.title);
}

let counting: ReturnType<typeof setInterval> | undefined;

/** Shows how long it is until the start, and when that is where the viewer is. */
function countDown(notice: Notice): void {
  const planned = notice.starts_at === null ? null : new Date(notice.starts_at);
  const local = planned?.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const soon = (untilStart(notice) ?? 0) <= 0;
  showState("upcoming", "", soon || local === undefined ? undefined : `Starts ${local}.`);
  stopCounting();
  const show = (): void => showCountdown(countdownWords(untilStart(notice)));
  show();
  counting = setInterval(show, TICK_MS);
}

function stopCounting(): void {
  clearInterval(counting);
  showCountdown(null);
}

/** The site that a URL leads to, `null` when it is none. */
function originOf(url: string | null): string | null {
  try {
    return url === null ? null : new URL(url).origin;
  } catch {
    return null;
  }
}
