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

/// Lets pages of every origin read the answer: what is below `/live/` is public and knows no cookies.
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

/// Names the methods there are.
pub(crate) fn allow_methods(headers: &mut HeaderMap) {
    headers.insert(header::ALLOW, METHODS);
}

/// What every page and every script of it carries.
pub(crate) fn secure_page(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    forbid_sniffing(headers);
}

/// The type that is said is the type that is meant.
pub(crate) fn forbid_sniffing(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
