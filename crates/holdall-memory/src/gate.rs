//! The device side of recorded waits.

use crate::error::Error;
use crate::queue::Completion;
use crate::sync::Arc;
use crate::tick::{QueueId, Tick};
use crate::timelines::Timelines;

/// Performs the waits of a stream's command buffers, before each is run, for a device that has no waits of its own. There
/// is one per stream, on the thread that runs it.
///
/// Recording relies on waits: memory is reused behind them. So all are performed, even if the first fails; and a stream
/// that waits for a command buffer whose end nobody knows cannot go on.
#[derive(Debug)]
pub struct Gate {
    timelines: Arc<Timelines>,
    /// The error of a wait that can never pass.
    stuck: Option<Error>,
}

impl Gate {
    /// An open gate.
    pub fn new(timelines: Arc<Timelines>) -> Self {
        Self { timelines, stuck: None }
    }

    /// Blocks until all of `waits` have ended. Gives the completion back if the command buffer may run. Otherwise its tick
    /// has been ended, with the reason: it fails if what it waited for failed, and it is lost if that was lost, or if an
    /// earlier command buffer of the stream was lost here.
    pub fn pass(
        &mut self,
        completion: Completion,
        waits: impl IntoIterator<Item = (QueueId, Tick)>,
    ) -> Option<Completion> {
        let mut failed = None;
        for (queue, tick) in waits {
            if self.stuck.is_some() {
                break;
            }
            match self.timelines.wait_ended(queue, tick) {
                Ok(()) => failed = failed.or_else(|| self.timelines.failure(queue, tick)),
                Err(lost) => self.stuck = Some(lost),
            }
        }
        match (&self.stuck, failed) {
            (Some(lost), _) => completion.lose(format_args!("its stream waits for lost work: {lost}")),
            (None, Some(failed)) => completion.fail(format_args!("what it waited for failed: {failed}")),
            (None, None) => return Some(completion),
        }
        None
    }
}
