//! Events on their way to the bridge.

use std::collections::VecDeque;

use crate::command::Event;

/// Events kept for each leg before what a stranger's or peer's packets can cause is dropped.
const PER_LEG: usize = 4;
/// The same for a worker with few legs.
const LEAST: usize = 64;

/// A queue that packets cannot make grow. Answers to commands (`Played`, `Cut`, `Closed`) are as
/// many as the commands, life changes at most every few seconds: they are always kept.
#[derive(Debug)]
pub(crate) struct News {
    queue: VecDeque<Event>,
    limit: usize,
    dropped: u64,
}

impl News {
    pub(crate) fn with_capacity(legs: usize) -> Self {
        let limit = legs * PER_LEG + LEAST;
        Self { queue: VecDeque::with_capacity(limit + legs * PER_LEG), limit, dropped: 0 }
    }

    /// Keeps what must not be lost.
    pub(crate) fn answer(&mut self, event: Event) {
        self.queue.push_back(event);
    }

    /// Keeps what packets can cause at will, if there is room.
    pub(crate) fn tell(&mut self, event: Event) {
        if self.queue.len() < self.limit {
            self.queue.push_back(event);
        } else {
            self.dropped += 1;
        }
    }

    pub(crate) fn next(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    /// Whether nothing waits to be taken.
    pub(crate) fn is_told(&self) -> bool {
        self.queue.is_empty()
    }

    /// Events dropped because nobody took them.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}
