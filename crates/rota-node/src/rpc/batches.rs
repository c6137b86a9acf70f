//! JSON-RPC batches: transactions that are sent together wait together for the operators that hold them, not one after
//! the other. All other calls of a batch come in order, so that only one large answer is made at a time.

use jsonrpsee::{
    BatchResponseBuilder, MethodResponse,
    core::middleware::{Batch, BatchEntry, Notification, RpcServiceT},
    types::Request,
};

/// The call that waits for others instead of working.
const SEND: &str = "eth_sendRawTransaction";

/// The service of one connection.
#[derive(Debug, Clone)]
pub(super) struct Batches<S> {
    pub(super) inner: S,
    /// Bytes of all answers of a batch.
    pub(super) limit: usize,
}

impl<S> RpcServiceT for Batches<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.call(request)
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let Self { inner, limit } = self.clone();
        async move {
            let mut answers = BatchResponseBuilder::new_with_limit(limit);
            let mut notified = false;
            let mut entries = batch.into_iter().peekable();
            while let Some(entry) = entries.next() {
                let answered = match entry {
                    Ok(BatchEntry::Call(first)) => {
                        let mut calls = vec![first];
                        while calls[0].method == SEND
                            && let Some(Ok(BatchEntry::Call(next))) = entries
                                .next_if(|next| matches!(next, Ok(BatchEntry::Call(next)) if next.method == SEND))
                        {
                            calls.push(next);
                        }
                        futures::future::join_all(calls.into_iter().map(|call| inner.call(call))).await
                    }
                    Ok(BatchEntry::Notification(notification)) => {
                        notified = true;
                        inner.notification(notification).await;
                        continue;
                    }
                    Err(error) => {
                        let (error, id) = error.into_parts();
                        vec![MethodResponse::error(id, error)]
                    }
                };
                for answer in answered {
                    if let Err(too_large) = answers.append(answer) {
                        return too_large;
                    }
                }
            }
            if answers.is_empty() && notified {
                // Nobody asked anything.
                MethodResponse::notification()
            } else {
                MethodResponse::from_batch(answers.finish())
            }
        }
    }
}
