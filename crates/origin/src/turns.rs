//! When a connection of HTTP/2 has its turn.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::AsyncWrite;
use tokio::task::yield_now;

use crate::gathered::Gathered;
use crate::guarded_io::Phase;

/// How hyper's connections of either version fail.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Lets a connection run, and sends at the end of each of its turns what it wrote.
///
/// A turn of HTTP/2 comes after those of the tasks that can run already, or of some dozens of them (tokio's event interval).
/// Each answer is a task of its own that wakes the connection, and tokio runs what was woken last first: the hundreds of
/// answers that one part releases would be a turn and a system call each.
pub(crate) async fn turns<S: AsyncWrite + Unpin>(
    mut connection: impl Future<Output = Result<(), BoxError>> + Unpin,
    gathered: &Gathered<S>,
    phase: &Phase,
) -> Result<(), BoxError> {
    let queue = Arc::new(Queue::default());
    poll_fn(|cx| {
        if phase.is_http2() && !queue.is_over(cx) {
            return Poll::Pending;
        }
        let outcome = Pin::new(&mut connection).poll(cx);
        match gathered.send(cx) {
            // Why hyper ended it says more.
            Poll::Ready(Err(error)) if outcome.is_pending() => Poll::Ready(Err(error.into())),
            _ => outcome,
        }
    })
    .await
}

/// The wait behind the tasks that can run already.
#[derive(Default)]
struct Queue(Mutex<Place>);

#[derive(Default)]
enum Place {
    /// Nobody waits.
    #[default]
    Outside,
    /// The connection with this waker waits.
    Inside(Waker),
    /// It may go on.
    Over,
}

impl Queue {
    /// Whether the wait is over; if not, it begins or goes on.
    fn is_over(self: &Arc<Self>, cx: &mut Context<'_>) -> bool {
        {
            let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *place {
                Place::Over => {
                    *place = Place::Outside;
                    return true;
                }
                Place::Inside(waker) => {
                    waker.clone_from(cx.waker());
                    return false;
                }
                Place::Outside => *place = Place::Inside(cx.waker().clone()),
            }
        }
        // Of the future nothing is needed but that tokio wakes the queue once the others have run, which it does also when
        // the future is gone. The test below hangs should that ever change.
        let waker = Waker::from(Arc::clone(self));
        let _ = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
        false
    }
}

impl Wake for Queue {
    fn wake(self: Arc<Self>) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Place::Inside(waker) = std::mem::replace(&mut *place, Place::Over) else { return };
        drop(place);
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper::Version;

    use super::*;
    use crate::config::Limits;
    use crate::guarded_io::GuardedIo;

    const ANSWERS: usize = 20;

    /// Has many tasks wake one connection, and says how many of them had run at each of its turns.
    async fn turns_of(version: Version) -> Vec<usize> {
        let phase = Arc::new(Phase::default());
        let _open = phase.requested(version);
        let (waker, ran) = (Arc::new(Mutex::new(None::<Waker>)), Arc::new(AtomicUsize::new(0)));
        let (registered, seen) = (Arc::clone(&waker), Arc::clone(&ran));
        let mut turns_had = Vec::new();
        let connection = poll_fn(move |cx| {
            *registered.lock().expect("not poisoned") = Some(cx.waker().clone());
            turns_had.push(seen.load(Ordering::Relaxed));
            if turns_had.last() == Some(&ANSWERS) { Poll::Ready(turns_had.clone()) } else { Poll::Pending }
        });
        let (tell, told) = tokio::sync::oneshot::channel();
        let connection = Box::pin(async move { tell.send(connection.await).map_err(|_| "nobody listens".into()) });
        let stream = GuardedIo::new(tokio::io::sink(), &Limits::default(), Arc::clone(&phase));
        let gathered = Gathered::new(stream, Arc::clone(&phase));
        tokio::spawn(async move { turns(connection, &gathered, &phase).await });
        // From within the runtime, so that all are there before the first of them runs.
        tokio::spawn(async move {
            yield_now().await;
            for _ in 0..ANSWERS {
                let (waker, ran) = (Arc::clone(&waker), Arc::clone(&ran));
                tokio::spawn(async move {
                    ran.fetch_add(1, Ordering::Relaxed);
                    waker.lock().expect("not poisoned").as_ref().expect("the connection ran").wake_by_ref();
                });
            }
        });
        told.await.expect("the connection ended")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_connection_of_http2_has_its_turn_when_all_answers_are_there() {
        assert_eq!(turns_of(Version::HTTP_2).await, [0, ANSWERS]);
        assert!(turns_of(Version::HTTP_11).await.len() > 2);
    }
}
