use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

/// `text/plain` for people.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Answers about this moment, of use to nobody later.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

const ANY: HeaderValue = HeaderValue::from_static("*");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// What a script of another origin may read besides the few headers that it always may.
const EXPOSED: HeaderValue = HeaderValue::from_static("Content-Length, Content-Range, Age, Date, ETag");
/// How long a browser may remember the answer to a preflight: a day, the most that any of them honours.
const PREFLIGHT_S: HeaderValue = HeaderValue::from_static("86400");

/// What the page of the player may load (Content Security Policy 3). hls.js feeds media through `blob:` URLs and
/// may start its worker from one. Framing is left open: the page holds nothing that a click could give away, and
/// people embed players.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     media-src 'self' blob:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'",
);

/// Lets pages of every origin read the answer: what is below `/live/` is public, or opened by the path itself, and knows
/// no cookies.
pub(crate) fn share_with_all(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.insert(TIMING_ALLOW_ORIGIN, ANY);
}

/// Answers a preflight (Fetch standard, "CORS-preflight request").
pub(crate) fn allow_preflight(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ANY);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_S);
}

/// Keeps an answer out of caches that others share, when its address holds somebody's token: `private` in the place of
/// what such caches are told, and the rest as it is.
pub(crate) fn keep_to_viewer(headers: &mut HeaderMap) {
    let said = headers.get(header::CACHE_CONTROL).filter(|said| *said != NO_STORE);
    let Some(said) = said.and_then(|said| said.to_str().ok()) else { return };
    let mut kept = String::from("private");
    for directive in said.split(", ").filter(|word| *word != "public" && !word.starts_with("s-maxage=")) {
        kept.push_str(", ");
        kept.push_str(directive);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_str(&kept).unwrap_or(NO_STORE));
}

/// Names the methods there are.
pub(crate) fn allow_methods(headers: &mut HeaderMap) {
    headers.insert(header::ALLOW, METHODS);
}

/// The policy of a page that plays from another `origin` too. The playlist is at that origin, but it may name segments
/// anywhere, as those of CDNs do, so all of `https:` is allowed for media and for hls.js to fetch them, and nothing more:
/// scripts and styles remain our own.
fn policy_with(origin: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self' {origin} https:; media-src 'self' blob: {origin} https:; worker-src 'self' blob:; \
         base-uri 'none'; form-action 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(PAGE_POLICY)
}

/// What every page and every script of it carries. `external` is the origin from which a page plays besides its own.
pub(crate) fn secure_page(headers: &mut HeaderMap, external: Option<&str>) {
    headers.insert(header::CONTENT_SECURITY_POLICY, external.map_or(PAGE_POLICY, policy_with));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    forbid_sniffing(headers);
}

/// The type that is said is the type that is meant.
pub(crate) fn forbid_sniffing(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
