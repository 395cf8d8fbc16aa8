//! A socket whose other end must go on reading: one that takes nothing, or next to
//! nothing, cannot hold a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep};

use super::forward::{forward_flush, forward_read};

/// How long writes may wait in all, beyond what was earned by bytes that were taken.
const PATIENCE: Duration = Duration::from_mins(1);
/// Bytes that must be taken in a second, once patience is used up.
const RATE: u64 = 1024;

/// A socket with patience for writes.
#[derive(Debug)]
pub(super) struct Paced<S> {
    inner: S,
    patience: Duration,
    /// Since when a write waits, and when patience ends.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Paced<S> {
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            patience: PATIENCE,
            waiting: None,
        }
    }

    fn waits<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let patience = self.patience;
        let (_, end) = self
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(patience))));
        ready!(end.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn wrote(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.patience = self.patience.saturating_sub(since.elapsed());
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = Duration::from_millis(bytes.saturating_mul(1000) / RATE);
        self.patience = self.patience.saturating_add(earned).min(PATIENCE);
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.waits(cx),
            Poll::Ready(Ok(bytes)) => {
                self.wrote(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

forward_read!(Paced);

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.written(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    forward_flush!();

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn who_reads_nothing_loses_the_connection() {
        run(async {
            let (ours, _theirs) = duplex(1000);
            let mut ours = Paced::new(ours);
            ours.patience = Duration::from_millis(20);
            let error = ours.write_all(&[0; 2000]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn who_reads_on_keeps_it() {
        run(async {
            let (ours, mut theirs) = duplex(1000);
            let mut ours = Paced::new(ours);
            let writing = tokio::spawn(async move {
                ours.write_all(&vec![7; 50_000]).await.unwrap();
                ours.patience
            });
            let mut all = vec![0; 50_000];
            let reading = timeout(Duration::from_mins(1), theirs.read_exact(&mut all));
            reading.await.unwrap().unwrap();
            // What it waited was earned again.
            assert!(writing.await.unwrap() > PATIENCE / 2);
        });
    }
}
