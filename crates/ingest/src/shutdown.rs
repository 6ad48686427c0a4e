use tokio::sync::watch;

/// Waits until the server is to stop.
pub(crate) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
