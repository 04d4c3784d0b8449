//! Between the bridge and the store: it puts requests into batches and answers each exactly once,
//! as `Unknown` if the store takes too long (charging.md, "Holds" and "Store, crash, nodes").

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bridge::{StoreOutcome, StoreRequest};
use credits::{Answer, Command};
use model::{Instant, UnixTime, limits};
use store::{Keys, Store};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::abort::AbortOnPanic;
use crate::clock;
use crate::telemetry::StoreMeters;

/// Most requests in one transaction.
const BATCH: usize = 256;
/// How long requests that may wait are collected (charging.md, "Holds": 100–250 ms).
const WINDOW: Duration = Duration::from_millis(100);

/// What commits batches: the store, or a faulty one in tests.
pub(crate) trait Book: Clone + Send + Sync + 'static {
    /// Commits a batch in one transaction; the answers are in its order.
    fn commit(
        &self,
        batch: Vec<Command>,
        now: UnixTime,
    ) -> impl Future<Output = Result<Vec<Answer>, store::Error>> + Send;
}

/// The store; numbers that their owners withhold are sealed on the way in.
#[derive(Debug, Clone)]
pub(crate) struct Discreet {
    pub(crate) store: Store,
    pub(crate) keys: Arc<Keys>,
}

impl Book for Discreet {
    async fn commit(
        &self,
        mut batch: Vec<Command>,
        now: UnixTime,
    ) -> Result<Vec<Answer>, store::Error> {
        self.keys.seal(&mut batch);
        self.store.commit(&batch, now).await
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// How long requests that may wait are collected.
    pub(crate) window: Duration,
    /// When a request is answered as unknown.
    pub(crate) patience: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { window: WINDOW, patience: limits::STORE_PATIENCE }
    }
}

/// The answer to a request, by its id.
pub(crate) type Stored = (u64, StoreOutcome);

/// Owns every request between its arrival and its answer.
pub(crate) struct Storekeeper<B> {
    book: B,
    timing: Timing,
    requests: mpsc::Receiver<StoreRequest>,
    answers: mpsc::Sender<Stored>,
    meters: StoreMeters,
    /// In the order of arrival.
    waiting: VecDeque<Waiting>,
    running: Option<Running>,
}

struct Waiting {
    request: StoreRequest,
    since: Instant,
}

/// The transaction that is under way. Never abandoned: only its requests are.
struct Running {
    commit: JoinHandle<Vec<Option<Answer>>>,
    /// `None` once answered.
    asked: Vec<Option<Asked>>,
}

#[derive(Clone, Copy)]
struct Asked {
    id: u64,
    since: Instant,
}

impl<B: Book> Storekeeper<B> {
    pub(crate) fn new(
        book: B,
        timing: Timing,
        requests: mpsc::Receiver<StoreRequest>,
        answers: mpsc::Sender<Stored>,
        meters: StoreMeters,
    ) -> Self {
        Self { book, timing, requests, answers, meters, waiting: VecDeque::new(), running: None }
    }

    /// Works until nobody can ask any more and everything is answered.
    pub(crate) async fn run(mut self) {
        let _abort = AbortOnPanic("the storekeeper");
        let mut open = true;
        while open || !self.waiting.is_empty() || self.running.is_some() {
            let now = clock::mono();
            self.begin_if_due(now);
            let pause = self.next_deadline().map_or(Duration::MAX, |due| due.since(now));
            tokio::select! {
                asked = self.requests.recv(), if open => match asked {
                    Some(request) => self.take(request),
                    None => open = false,
                },
                done = finished(&mut self.running, &self.meters) => self.finish(done).await,
                () = tokio::time::sleep(pause), if pause != Duration::MAX => {}
            }
            self.give_up(clock::mono()).await;
        }
    }

    /// Takes a request and those behind it.
    fn take(&mut self, first: StoreRequest) {
        let since = clock::mono();
        self.waiting.push_back(Waiting { request: first, since });
        while self.waiting.len() < BATCH
            && let Ok(request) = self.requests.try_recv()
        {
            self.waiting.push_back(Waiting { request, since });
        }
    }

    /// Starts a transaction if none runs and one is due: at once for a request that may not wait,
    /// with whatever is queued; else when the oldest has waited for the window.
    fn begin_if_due(&mut self, now: Instant) {
        let Some(oldest) = self.waiting.front().map(|waiting| waiting.since) else { return };
        let urgent = self.waiting.iter().any(|waiting| !waiting.request.may_wait);
        let due = urgent || now >= oldest + self.timing.window || self.waiting.len() >= BATCH;
        if self.running.is_some() || !due {
            return;
        }
        let size = self.waiting.len().min(BATCH);
        let mut asked = Vec::with_capacity(size);
        let mut batch = Vec::with_capacity(size);
        for Waiting { request, since } in self.waiting.drain(..size) {
            asked.push(Some(Asked { id: request.id, since }));
            batch.push(request.command);
        }
        self.meters.began(size);
        let commit = tokio::spawn(commit(self.book.clone(), batch));
        self.running = Some(Running { commit, asked });
    }

    /// When something is due without anything happening.
    fn next_deadline(&self) -> Option<Instant> {
        let asked = self.running.iter().flat_map(|running| running.asked.iter().flatten());
        let abandoned = asked
            .map(|asked| asked.since)
            .chain(self.waiting.front().map(|waiting| waiting.since))
            .map(|since| since + self.timing.patience);
        let idle = self.running.is_none();
        let window = self.waiting.front().filter(|_| idle);
        abandoned.chain(window.map(|waiting| waiting.since + self.timing.window)).min()
    }

    async fn finish(&mut self, answers: Vec<Option<Answer>>) {
        let Some(running) = self.running.take() else { return };
        let now = clock::mono();
        let mut answers = answers.into_iter();
        for asked in running.asked {
            let answer = answers.next().flatten();
            let outcome = answer.map_or(StoreOutcome::Unknown, StoreOutcome::Answered);
            if let Some(asked) = asked {
                self.answer(asked, outcome, now).await;
            }
        }
    }

    /// Answers what has waited too long, whether it was sent to the store or not.
    async fn give_up(&mut self, now: Instant) {
        let patience = self.timing.patience;
        let late = |since: Instant| now >= since + patience;
        let mut abandoned = Vec::new();
        for asked in self.running.iter_mut().flat_map(|running| running.asked.iter_mut()) {
            abandoned.extend(asked.take_if(|asked| late(asked.since)));
        }
        while self.waiting.front().is_some_and(|waiting| late(waiting.since)) {
            let waiting = self.waiting.pop_front();
            abandoned.extend(waiting.map(|w| Asked { id: w.request.id, since: w.since }));
        }
        for asked in abandoned {
            self.answer(asked, StoreOutcome::Unknown, now).await;
        }
    }

    async fn answer(&mut self, asked: Asked, outcome: StoreOutcome, now: Instant) {
        self.meters.answered(now.since(asked.since), &outcome);
        // The loop is gone only when the process ends.
        drop(self.answers.send((asked.id, outcome)).await);
    }
}

/// Waits for the running transaction; for ever if there is none.
async fn finished(running: &mut Option<Running>, meters: &StoreMeters) -> Vec<Option<Answer>> {
    let Some(running) = running else { return std::future::pending().await };
    (&mut running.commit).await.unwrap_or_else(|error| {
        tracing::error!(%error, "committing a batch panicked");
        meters.panicked();
        Vec::new()
    })
}

/// Commits a batch; `None` stands for a command of which nothing is known. If the store finds a
/// contradiction in what it keeps, each command is tried alone, so that one account's trouble
/// stays its own (charging.md, invariant 12).
async fn commit<B: Book>(book: B, batch: Vec<Command>) -> Vec<Option<Answer>> {
    match book.commit(batch.clone(), clock::unix()).await {
        Ok(answers) => answers.into_iter().map(Some).collect(),
        Err(store::Error::Corrupt(what)) if batch.len() > 1 => {
            tracing::error!(what, "a batch met a contradiction; its commands are tried alone");
            let mut answers = Vec::with_capacity(batch.len());
            for command in batch {
                answers.push(commit_one(&book, command).await);
            }
            answers
        }
        Err(error) => {
            tracing::warn!(%error, requests = batch.len(), "a batch was not committed");
            Vec::new()
        }
    }
}

async fn commit_one<B: Book>(book: &B, command: Command) -> Option<Answer> {
    let committed = book.commit(vec![command], clock::unix()).await;
    committed
        .inspect_err(|error| tracing::error!(%error, "a command was not committed"))
        .ok()?
        .pop()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use model::AccountId;

    use super::*;
    use crate::telemetry::Telemetry;

    #[tokio::test]
    async fn every_request_is_answered_once_and_by_its_own_answer() {
        let (asker, mut answers, book) = keeper(Fault::None);
        for id in 0..1_000 {
            asker.send(request(id, id % 3 == 0)).await.unwrap();
        }
        drop(asker);
        let told = all(&mut answers).await;
        assert_eq!(told, (0..1_000).map(|id| (id, Some(id))).collect::<Vec<_>>());
        assert!(book.sizes.lock().unwrap().iter().all(|size| *size <= BATCH));
    }

    #[tokio::test]
    async fn a_slow_store_is_given_up_once_and_its_late_answer_is_dropped() {
        let (asker, mut answers, _book) = keeper(Fault::Slow(Duration::from_millis(300)));
        for id in 0..10 {
            asker.send(request(id, false)).await.unwrap();
        }
        drop(asker);
        let told = all(&mut answers).await;
        assert_eq!(told, (0..10).map(|id| (id, None)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_failing_store_leaves_every_request_unknown() {
        let (asker, mut answers, _book) = keeper(Fault::Unavailable);
        for id in 0..10 {
            asker.send(request(id, false)).await.unwrap();
        }
        drop(asker);
        let told = all(&mut answers).await;
        assert_eq!(told, (0..10).map(|id| (id, None)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_contradiction_in_one_account_spares_the_others() {
        let (asker, mut answers, _book) = keeper(Fault::Corrupt(AccountId(3)));
        for id in 0..6 {
            asker.send(request(id, true)).await.unwrap();
        }
        drop(asker);
        let told = all(&mut answers).await;
        let expected: Vec<_> = (0..6).map(|id| (id, (id != 3).then_some(id))).collect();
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn a_panic_in_a_batch_leaves_its_requests_unknown_and_is_counted() {
        let telemetry = Telemetry::new();
        let (asker, mut answers, _book) = keeper_metered(Fault::Panic, telemetry.store());
        asker.send(request(1, false)).await.unwrap();
        assert_eq!(answers.recv().await, Some((1, StoreOutcome::Unknown)));
        asker.send(request(2, false)).await.unwrap();
        drop(asker);
        assert_eq!(all(&mut answers).await, [(2, None)], "the keeper goes on");
        let shown = (telemetry.renderer())();
        assert!(shown.contains("tollgate_store_panics_total 2"), "{shown}");
    }

    #[tokio::test]
    async fn requests_that_may_wait_share_a_transaction_and_others_do_not_wait() {
        let (asker, mut answers, book) = keeper(Fault::None);
        let begun = clock::mono();
        for id in 0..20 {
            asker.send(request(id, true)).await.unwrap();
        }
        while answers.len() < 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(clock::mono().since(begun) >= TEST_TIMING.window);
        assert_eq!(*book.sizes.lock().unwrap(), [20]);
        let begun = clock::mono();
        asker.send(request(20, false)).await.unwrap();
        while answers.len() < 21 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(clock::mono().since(begun) < TEST_TIMING.window);
        drop(asker);
        assert_eq!(all(&mut answers).await.len(), 21);
    }

    const TEST_TIMING: Timing =
        Timing { window: Duration::from_millis(80), patience: Duration::from_millis(150) };

    /// Answers each inquiry with a refusal that carries the account, so that answers are told apart.
    #[derive(Clone)]
    struct FaultyBook {
        fault: Fault,
        sizes: Arc<Mutex<Vec<usize>>>,
    }

    #[derive(Clone, Copy)]
    enum Fault {
        None,
        Slow(Duration),
        Unavailable,
        Panic,
        Corrupt(AccountId),
    }

    impl Book for FaultyBook {
        async fn commit(
            &self,
            batch: Vec<Command>,
            _now: UnixTime,
        ) -> Result<Vec<Answer>, store::Error> {
            self.sizes.lock().unwrap().push(batch.len());
            match self.fault {
                Fault::None => {}
                Fault::Slow(delay) => tokio::time::sleep(delay).await,
                Fault::Panic => panic!("a fault of ours"),
                Fault::Unavailable => return Err(store::Error::Unavailable("gone".into())),
                Fault::Corrupt(account) if batch.iter().any(|c| asked_of(c) == account) => {
                    return Err(store::Error::Corrupt("torn".into()));
                }
                Fault::Corrupt(_) => {}
            }
            Ok(batch.iter().map(|command| stands(asked_of(command))).collect())
        }
    }

    fn asked_of(command: &Command) -> AccountId {
        let Command::Inquire { account } = command else { panic!("only inquiries here") };
        *account
    }

    fn stands(account: AccountId) -> Answer {
        Answer::Stands(credits::Standing {
            account,
            available: model::Money::ZERO,
            held: model::Money::ZERO,
            burn_per_sec: model::Money::ZERO,
            version: 0,
        })
    }

    fn request(id: u64, may_wait: bool) -> StoreRequest {
        let command = Command::Inquire { account: AccountId(u128::from(id)) };
        StoreRequest { id, command, may_wait }
    }

    fn keeper(fault: Fault) -> (mpsc::Sender<StoreRequest>, mpsc::Receiver<Stored>, FaultyBook) {
        keeper_metered(fault, Telemetry::new().store())
    }

    fn keeper_metered(
        fault: Fault,
        meters: StoreMeters,
    ) -> (mpsc::Sender<StoreRequest>, mpsc::Receiver<Stored>, FaultyBook) {
        let (asker, requests) = mpsc::channel(16);
        let (teller, answers) = mpsc::channel(2_000);
        let book = FaultyBook { fault, sizes: Arc::default() };
        let keeper = Storekeeper::new(book.clone(), TEST_TIMING, requests, teller, meters);
        tokio::spawn(keeper.run());
        (asker, answers, book)
    }

    /// Every answer until the keeper ends: request, and the account that was answered for.
    async fn all(answers: &mut mpsc::Receiver<Stored>) -> Vec<(u64, Option<u64>)> {
        let mut told = Vec::new();
        while let Some((id, outcome)) = answers.recv().await {
            let account = match outcome {
                StoreOutcome::Answered(Answer::Stands(standing)) => {
                    u64::try_from(standing.account.0).ok()
                }
                StoreOutcome::Answered(other) => panic!("{other:?} was never given"),
                StoreOutcome::Unknown => None,
            };
            told.push((id, account));
        }
        told.sort_unstable();
        told
    }
}
