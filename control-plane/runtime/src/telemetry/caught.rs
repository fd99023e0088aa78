use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// Returns a future's output, or its panic. After a panic the future is not polled again.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_after_a_wait_is_caught() {
        let outcome = caught(async {
            tokio::task::yield_now().await;
            if std::hint::black_box(true) {
                panic!("as it was to be");
            }
            1
        });
        let panic = outcome.await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"as it was to be"));
        assert_eq!(caught(async { 1 }).await.unwrap(), 1);
    }
}
