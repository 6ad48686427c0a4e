//! Not measured yet.

use anyhow::{Result, bail};

/// Says so.
pub async fn run() -> Result<()> {
    bail!("ingest is not measured yet")
}
