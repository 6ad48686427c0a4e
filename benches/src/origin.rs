//! Not measured yet.

use anyhow::{Result, bail};

/// Says so.
pub async fn run() -> Result<()> {
    bail!("origin is not measured yet")
}
