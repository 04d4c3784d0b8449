//! The operator's HTTP: metrics, health and the control API of a running gateway. It decides
//! nothing: what it asks of the bridge goes through the same inputs as everything else.
//!
//! It is meant for loopback. `/metrics`, `/healthz` and `/readyz` are open; everything under `/v1`
//! wants the configured token as `Authorization: Bearer …`. Every refusal is JSON of the form
//! `{"error": …, "hint": …}`.

mod auth;
mod bans;
mod budgets;
mod calls;
mod dial_outs;
mod failure;
mod guards;
mod listen;
mod organizations;
mod trunks;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State as Shared};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bridge::{Ban, BudgetView, DialOut, Input, LiveCall, Placed, TrunkView};
use model::{OrganizationId, UnixTime};
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

pub use auth::Token;
pub use calls::call_id;
pub use listen::Bounded;

/// How long a request waits for the bridge or for the store.
const PATIENCE: Duration = Duration::from_secs(2);

/// Largest request body read, bytes.
const BODY_BYTES: usize = 4_096;

/// Renders the metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Says whether new calls are served: `Err` carries the reason why not.
pub type Readiness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Reads the calendar.
pub type ReadClock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// A question to the loop that owns the bridge: what lives, as of now. An answer that nobody
/// waits for any more may be dropped.
#[derive(Debug)]
pub enum LiveQuery {
    /// Every live call.
    Calls(oneshot::Sender<Vec<LiveCall>>),
    /// Every trunk.
    Trunks(oneshot::Sender<Vec<TrunkView>>),
    /// How far budgets are used.
    Budgets {
        /// Of one organization and its organizers, or of everybody who has called out lately.
        of: Option<OrganizationId>,
        /// Where the answer goes.
        reply: oneshot::Sender<Vec<BudgetView>>,
    },
    /// Every source that is banned.
    Bans(oneshot::Sender<Vec<Ban>>),
}

/// An order to the loop that owns the bridge; its number is the loop's to give. An answer that nobody
/// waits for any more may be dropped.
#[derive(Debug)]
pub struct OrderQuery {
    /// Who is to be called.
    pub order: DialOut,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Placed>,
}

/// What the routes work with.
#[derive(Clone)]
pub struct State {
    /// For `/metrics`.
    pub metrics: RenderMetrics,
    /// For `/readyz`.
    pub ready: Readiness,
    /// What `/v1` wants; without one all of `/v1` answers 403.
    pub token: Option<Token>,
    /// To the loop: what is live. Bounded; a full queue answers 503.
    pub live: mpsc::Sender<LiveQuery>,
    /// To the loop: who is to be called. Bounded likewise.
    pub orders: mpsc::Sender<OrderQuery>,
    /// To the loop: what the operator wants done. Bounded likewise.
    pub inputs: mpsc::Sender<Input>,
    /// Accounts and guards.
    pub store: Store,
    /// When an act was done.
    pub clock: ReadClock,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Makes the routes. Serve them with `axum::serve`, behind a [`Bounded`] listener.
pub fn router(state: State) -> Router {
    let guard = middleware::from_fn_with_state(state.clone(), auth::demand_token);
    let guarded = Router::new()
        .route("/calls", get(calls::list))
        .route("/calls/{id}", get(calls::one).delete(calls::hang_up))
        .route("/trunks", get(trunks::list))
        .route("/bans", get(bans::list))
        .route("/meetings/{meeting}/dial-outs", post(dial_outs::place))
        .route("/organizations/{name}/credits", get(organizations::credits))
        .route("/organizations/{name}/budgets", get(budgets::of))
        .route("/organizations/{name}/countries/{country}/{verb}", post(guards::decide))
        .route("/budgets", get(budgets::list))
        .route("/approvals", get(budgets::approvals))
        .route("/suspensions", get(guards::suspensions))
        .route("/acts", get(guards::acts))
        .merge(standings())
        .fallback(failure::no_such_route)
        .method_not_allowed_fallback(failure::no_such_method)
        .layer(guard);
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .nest("/v1", guarded)
        .fallback(failure::no_such_route)
        .method_not_allowed_fallback(failure::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(state)
}

/// Who can be put out of service, and back.
fn standings() -> Router<State> {
    let kinds = [
        ("organizations", "organization"),
        ("users", "user"),
        ("numbers", "number"),
        ("trunks", "trunk"),
    ];
    kinds.into_iter().fold(Router::new(), |router, (path, kind)| {
        let stand =
            move |Shared(state), Path(named), asked| guards::stand((kind, state), named, asked);
        router.route(&format!("/{path}/{{name}}/{{verb}}"), post(stand))
    })
}

/// Answers HTTP on a bound listener for as long as it is polled, at most so many connections at
/// once.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    connections_max: usize,
    state: State,
) -> std::io::Result<()> {
    axum::serve(Bounded::new(listener, connections_max), router(state)).await
}

async fn metrics(Shared(state): Shared<State>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, (state.metrics)()).into_response()
}

/// The process answers: that is all that liveness means.
async fn healthz() -> &'static str {
    "alive\n"
}

async fn readyz(Shared(state): Shared<State>) -> Response {
    match (state.ready)() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests;
