use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// How often a state that nothing announces is asked for again.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Asks `probe` until it gives something; `what` names it in the error. An error of the probe ends the wait.
pub async fn until<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut ticks = interval(POLL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let search = async {
        loop {
            ticks.tick().await;
            if let Some(found) = probe().await? {
                return Ok(found);
            }
        }
    };
    match timeout_at(deadline, search).await {
        Ok(result) => result,
        Err(_) => bail!("not within {within:?}: {what}"),
    }
}
