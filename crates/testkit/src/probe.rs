use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::process::{run_tool, run_tool_with_errors};

/// The longest that reading or decoding a test clip may take on two busy cores.
const TOOL_TIMEOUT: Duration = Duration::from_secs(120);

/// What ffprobe says about the first video or audio stream of a file.
#[derive(Debug)]
pub struct Probe {
    stream: Value,
    packets: Vec<Value>,
}

impl Probe {
    /// Reads the first video stream of `input`, a path or URL.
    pub async fn video(input: &Path) -> Result<Self> {
        Self::stream(input, "v:0").await
    }

    /// Reads the first audio stream of `input`, a path or URL.
    pub async fn audio(input: &Path) -> Result<Self> {
        Self::stream(input, "a:0").await
    }

    async fn stream(input: &Path, select: &str) -> Result<Self> {
        let name = input.to_str().context("a path that is not UTF-8")?;
        let args = ["-v", "error", "-select_streams", select, "-show_streams", "-show_packets", "-of", "json", name];
        let output = run_tool("ffprobe", &args, TOOL_TIMEOUT).await?;
        let mut document: Value = serde_json::from_slice(&output)?;
        let Value::Array(packets) = document["packets"].take() else { bail!("{name} has no packets") };
        let stream = document.pointer_mut("/streams/0").map(Value::take);
        let stream = stream.with_context(|| format!("{name} has no stream {select}"))?;
        Ok(Self { stream, packets })
    }

    /// A field of the stream that ffprobe gives as text.
    pub fn text(&self, field: &str) -> &str {
        self.stream[field].as_str().unwrap_or_default()
    }

    /// A field of the stream that ffprobe gives as a number, or as text that holds one.
    pub fn number(&self, field: &str) -> Result<i64> {
        let value = &self.stream[field];
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        number.with_context(|| format!("{field} is {value}"))
    }

    /// Coded width and height.
    pub fn size(&self) -> Result<(i64, i64)> {
        Ok((self.number("width")?, self.number("height")?))
    }

    /// How many frames it holds.
    pub fn frames(&self) -> usize {
        self.packets.len()
    }

    /// Presentation times in file order, in ticks of the stream.
    pub fn pts(&self) -> Result<Vec<i64>> {
        self.packets.iter().map(|packet| packet["pts"].as_i64().context("a packet without pts")).collect()
    }

    /// Decoding times in file order, in ticks of the stream.
    pub fn dts(&self) -> Result<Vec<i64>> {
        self.packets.iter().map(|packet| packet["dts"].as_i64().context("a packet without dts")).collect()
    }

    /// Which frames are flagged as keyframes.
    pub fn keyframes(&self) -> Vec<bool> {
        self.packets.iter().map(|packet| packet["flags"].as_str().is_some_and(|flags| flags.contains('K'))).collect()
    }
}

/// Decodes all of `input`, a path or URL, and wants not one complaint.
pub async fn decode(input: &Path) -> Result<()> {
    let name = input.to_str().context("a path that is not UTF-8")?;
    let args = ["-v", "error", "-nostdin", "-xerror", "-i", name, "-f", "null", "-"];
    let (_, complaints) = run_tool_with_errors("ffmpeg", &args, TOOL_TIMEOUT).await?;
    ensure!(complaints.trim().is_empty(), "decoding {name}:\n{complaints}");
    Ok(())
}
