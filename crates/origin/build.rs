//! Sees to it that the watch page, which is embedded, was built.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=web/dist");
    if !Path::new("web/dist/index.html").is_file() {
        println!(
            "cargo::error=the watch page is not built: run `make web`, or `npm ci && npm run build` in crates/origin/web"
        );
    }
}
