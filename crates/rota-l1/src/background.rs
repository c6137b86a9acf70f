//! Arithmetic that no flashblock waits for, on a thread of its own that gives way to those that agree on flashblocks.

use std::thread;
use tokio::sync::oneshot;

/// About a tenth of the weight of the node's other threads: on a machine that is full it still goes on.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Does `work` from now on, whether the result is awaited or not; `None` if it panicked or no thread was to be had.
pub(crate) fn background<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = Option<T>> + Send {
    let (done, result) = oneshot::channel();
    let meanwhile = move || {
        // Linux counts niceness by thread. If it can't be had the work is done all the same.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let _ = done.send(work());
    };
    // Without a thread nobody is left who could send.
    let _ = thread::Builder::new().name("background".into()).spawn(meanwhile);
    async move { result.await.ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_and_a_panic_is_not_caught_up_in_it() {
        assert_eq!(background(|| 7).await, Some(7));
        assert_eq!(background(|| -> u8 { panic!("as asked for") }).await, None);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn only_the_thread_itself_gives_way() {
        let nice = || rustix::process::getpriority_process(None).ok();
        let before = nice();
        assert_eq!(background(nice).await, Some(Some(NICENESS.max(before.unwrap_or_default()))));
        assert_eq!(nice(), before);
    }
}
