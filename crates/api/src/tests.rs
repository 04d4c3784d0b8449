//! The routes over a real loopback connection.

use credits::Command;
use model::record::{CallType, Cdr, Organization, Provision};
use model::{
    Budget, CallId, Currency, Did, Guards, NewCountries, OrganizationId, Subject, UnixTime,
};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use bridge::routing::Figures;
use bridge::{Ban, Denied, LimitView, TrunkView, Used};

use super::*;

const TOKEN: &str = "sixteen-letters!";

/// A server, and the loop's end of its queues.
struct Served {
    address: std::net::SocketAddr,
    live: mpsc::Receiver<LiveQuery>,
    orders: mpsc::Receiver<OrderQuery>,
    inputs: mpsc::Receiver<Input>,
    store: Store,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn serve(token: Option<&str>, ready: Result<(), String>) -> Served {
    let store = Store::open("memory:").await.unwrap();
    let organization = Organization {
        id: OrganizationId::from_name("acme"),
        name: "acme".to_owned(),
        currency: Currency::parse("EUR").unwrap(),
        time_zone: String::new(),
        dial_out: model::DialOutRules::default(),
        payg_needs_credits_licence: false,
        outbound: Default::default(),
    };
    let provision = Provision { organizations: vec![organization], ..Provision::default() };
    store.apply(&provision).await.unwrap();
    let (live, asked) = mpsc::channel(1);
    let (orders, ordered) = mpsc::channel(1);
    let (inputs, wanted) = mpsc::channel(1);
    let kept = store.clone();
    let state = State {
        metrics: Arc::new(|| "tollgate_up_total 1\n".to_owned()),
        ready: Arc::new(move || ready.clone()),
        token: token.and_then(Token::parse),
        live,
        orders,
        inputs,
        store,
        clock: Arc::new(|| UnixTime { micros: 1_795_000_000_250_000 }),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(Bounded::new(listener, 2), router(state)).await });
    Served { address, live: asked, orders: ordered, inputs: wanted, store: kept }
}

async fn ask(server: &Served, request: &str, headers: &str) -> Answer {
    let text = format!("{request} HTTP/1.0\r\nHost: x\r\n{headers}\r\n");
    exchange(server.address, &text).await
}

async fn exchange(address: std::net::SocketAddr, text: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn ask_with_token(server: &Served, request: &str) -> Answer {
    ask(server, request, &format!("Authorization: Bearer {TOKEN}\r\n")).await
}

fn call() -> LiveCall {
    let number: Did = "+14155550123".parse().unwrap();
    LiveCall {
        call: CallId(42),
        sip_call_id: "abc@carrier".to_owned(),
        trunk: "carrier".to_owned(),
        state: "seated",
        caller: Some(number.clone()),
        called: Some(number),
        meeting: None,
        invited: UnixTime { micros: 0 },
        connected_secs: 61,
        capability: None,
        funded_left_secs: Some(29),
        held: None,
    }
}

/// Answers one question of the server with one live call, as the loop would.
async fn answer_once(live: &mut mpsc::Receiver<LiveQuery>) {
    match live.recv().await.unwrap() {
        LiveQuery::Calls(reply) => reply.send(vec![call()]).unwrap(),
        LiveQuery::Trunks(reply) => reply.send(vec![trunk()]).unwrap(),
        LiveQuery::Budgets { of, reply } => reply.send(budgets(of)).unwrap(),
        LiveQuery::Bans(reply) => reply.send(vec![ban("192.0.2.9"), ban("2001:db8::")]).unwrap(),
    }
}

fn trunk() -> TrunkView {
    let hour = Figures {
        attempts: 4,
        answered: 3,
        effective: 4,
        connected: Duration::from_secs(181),
        ..Figures::default()
    };
    TrunkView {
        name: "carrier".to_owned(),
        group: Some("wholesale".to_owned()),
        state: "up",
        trouble: None,
        calls_in: 2,
        calls_out: 1,
        hour_in: Figures::default(),
        hour_out: hour,
    }
}

fn ban(source: &str) -> Ban {
    let (source, left) = (source.parse().unwrap(), Duration::from_millis(61_500));
    Ban { source, left, dropped: 7 }
}

#[tokio::test]
async fn banned_sources_are_listed_with_what_is_left_of_their_ban() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let mut live = std::mem::replace(&mut server.live, mpsc::channel(1).1);
    let (listed, ()) =
        tokio::join!(ask_with_token(&server, "GET /v1/bans"), answer_once(&mut live));
    let listed = listed.json();
    assert_eq!(listed[0]["source"], "192.0.2.9");
    assert_eq!((&listed[0]["left_secs"], &listed[0]["dropped"]), (&61.into(), &7.into()));
    assert_eq!(listed[1]["source"], "2001:db8::/64");
}

#[tokio::test]
async fn trunks_are_listed_with_their_last_hour() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let mut live = std::mem::replace(&mut server.live, mpsc::channel(1).1);
    let (listed, ()) =
        tokio::join!(ask_with_token(&server, "GET /v1/trunks"), answer_once(&mut live));
    let listed = listed.json();
    assert_eq!(listed[0]["name"], "carrier");
    assert_eq!(listed[0]["out"]["asr_percent"], 75);
    assert_eq!(listed[0]["out"]["acd_secs"], 60);
    assert!(listed[0]["in"]["asr_percent"].is_null());
}

#[tokio::test]
async fn metrics_and_health_need_no_token() {
    let server = serve(Some(TOKEN), Err("draining".to_owned())).await;
    let metrics = ask(&server, "GET /metrics", "").await;
    assert_eq!((metrics.status, metrics.body.as_str()), (200, "tollgate_up_total 1\n"));
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{}", metrics.head);
    assert_eq!(ask(&server, "GET /healthz", "").await.status, 200);
    let ready = ask(&server, "GET /readyz", "").await;
    assert_eq!((ready.status, ready.body.as_str()), (503, "draining\n"));
}

#[tokio::test]
async fn without_a_configured_token_the_control_api_is_off() {
    let server = serve(None, Ok(())).await;
    let answer = ask_with_token(&server, "GET /v1/calls").await;
    assert_eq!(answer.status, 403);
    assert!(answer.json()["hint"].as_str().unwrap().contains("token"));
    assert_eq!(ask(&server, "GET /readyz", "").await.status, 200);
}

#[tokio::test]
async fn a_missing_or_wrong_token_is_refused_on_every_path() {
    let server = serve(Some(TOKEN), Ok(())).await;
    let wrong = "Authorization: Bearer sixteen-letters?\r\n";
    let basic = format!("Authorization: Basic {TOKEN}\r\n");
    for headers in ["", wrong, basic.as_str()] {
        for request in [
            "GET /v1/calls",
            "DELETE /v1/calls/x",
            "GET /v1/organizations/acme/credits",
            "GET /v1/x",
        ] {
            let answer = ask(&server, request, headers).await;
            assert_eq!(answer.status, 401, "{request} {headers}");
            assert!(answer.head.contains("www-authenticate: Bearer"), "{}", answer.head);
        }
    }
}

#[tokio::test]
async fn live_calls_are_listed_with_masked_numbers() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let mut live = std::mem::replace(&mut server.live, mpsc::channel(1).1);
    let (answer, ()) =
        tokio::join!(ask_with_token(&server, "GET /v1/calls"), answer_once(&mut live));
    assert_eq!(answer.status, 200);
    let first = &answer.json()[0];
    assert_eq!(first["call"], "0000000000000000000000000000002a");
    assert_eq!(first["caller"], "+1415555****");
    assert_eq!(first["funded_left_secs"], 29);
    assert!(!answer.body.contains("5550123"), "{}", answer.body);
}

#[tokio::test]
async fn hanging_up_a_live_call_becomes_an_input() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let mut live = std::mem::replace(&mut server.live, mpsc::channel(1).1);
    let request = "DELETE /v1/calls/0000000000000000000000000000002a";
    let (answer, ()) = tokio::join!(ask_with_token(&server, request), answer_once(&mut live));
    assert_eq!(answer.status, 202);
    assert!(matches!(server.inputs.try_recv(), Ok(Input::HangUp(CallId(42)))));
}

#[tokio::test]
async fn a_call_that_is_not_live_cannot_be_hung_up() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let mut live = std::mem::replace(&mut server.live, mpsc::channel(1).1);
    let request = "DELETE /v1/calls/0000000000000000000000000000002b";
    let (answer, ()) = tokio::join!(ask_with_token(&server, request), answer_once(&mut live));
    assert_eq!(answer.status, 404);
    assert_eq!(ask_with_token(&server, "DELETE /v1/calls/2b").await.status, 400);
    assert!(server.inputs.try_recv().is_err());
}

#[tokio::test]
async fn a_loop_that_is_gone_is_told_as_busy() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    drop(std::mem::replace(&mut server.live, mpsc::channel(1).1));
    let answer = ask_with_token(&server, "GET /v1/calls").await;
    assert_eq!(answer.status, 503);
    assert!(answer.json()["error"].as_str().unwrap().contains("busy"));
}

#[tokio::test]
async fn an_organizations_credits_are_exact_text() {
    let server = serve(Some(TOKEN), Ok(())).await;
    let answer = ask_with_token(&server, "GET /v1/organizations/acme/credits").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["available"], "0.00");
    assert_eq!(answer.json()["currency"], "EUR");
    let unknown = ask_with_token(&server, "GET /v1/organizations/globex/credits").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn an_unknown_path_or_method_is_told_in_json() {
    let server = serve(Some(TOKEN), Ok(())).await;
    let path = ask(&server, "GET /nowhere", "").await;
    assert_eq!(path.status, 404);
    assert!(path.json()["hint"].as_str().unwrap().contains("/metrics"));
    let method = ask_with_token(&server, "POST /v1/calls").await;
    assert_eq!(method.status, 405);
    assert!(method.json()["error"].is_string());
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_seat() {
    let server = serve(Some(TOKEN), Ok(())).await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    let idle_too = TcpStream::connect(server.address).await.unwrap();
    let waiting =
        tokio::time::timeout(Duration::from_millis(100), ask(&server, "GET /healthz", ""));
    assert!(waiting.await.is_err());
    drop((idle, idle_too));
    assert_eq!(ask(&server, "GET /healthz", "").await.status, 200);
}

/// Posts an order, and answers it as the loop would.
async fn order(
    server: &mut Served,
    body: &str,
    calls: Vec<Result<CallId, Denied>>,
) -> (Answer, DialOut) {
    let headers = format!(
        "Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let address = server.address;
    let request =
        format!("POST /v1/meetings/standup/dial-outs HTTP/1.0\r\nHost: x\r\n{headers}\r\n{body}");
    let asking = tokio::spawn(async move { exchange(address, &request).await });
    let OrderQuery { order, reply } = server.orders.recv().await.unwrap();
    reply.send(Placed { request: order.request, calls }).unwrap();
    (asking.await.unwrap(), order)
}

#[tokio::test]
async fn somebody_is_called_and_the_call_is_named() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let body = r#"{"number":"011 654 3210","by":"ada","press_one":false,"ring_secs":20}"#;
    let (answer, order) = order(&mut server, body, vec![Ok(CallId(42))]).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(answer.json()["call"], "0000000000000000000000000000002a");
    assert_eq!(order.numbers, ["011 654 3210"]);
    assert_eq!(order.meeting, model::MeetingId::from_name("standup"));
    assert_eq!(order.by, bridge::By::User(model::UserId::from_name("ada")));
    assert_eq!(order.options.ring, Some(Duration::from_secs(20)));
    assert_eq!(order.options.press_one, Some(false));
}

#[tokio::test]
async fn a_refused_call_says_what_to_change() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let denied = Denied::from(bridge::Refusal::InsufficientCredit);
    let (answer, _) = order(&mut server, r#"{"number":"+390116543210"}"#, vec![Err(denied)]).await;
    assert_eq!(
        (answer.status, answer.json()["refusal"].as_str()),
        (402, Some("insufficient_credit"))
    );
    assert!(answer.json()["hint"].as_str().unwrap().contains("top it up"), "{}", answer.body);
}

#[tokio::test]
async fn several_that_ring_at_once_are_told_one_by_one() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let calls = vec![Ok(CallId(42)), Err(Denied::from(bridge::Refusal::AlreadyCalled))];
    let (answer, order) = order(&mut server, r#"{"numbers":["+3901","+3902"]}"#, calls).await;
    assert_eq!((answer.status, order.numbers.len()), (202, 2));
    assert_eq!(answer.json()["calls"][1]["refusal"], "already_called");
}

#[tokio::test]
async fn a_body_that_names_nobody_is_told_what_to_send() {
    let server = serve(Some(TOKEN), Ok(())).await;
    for body in ["", "{}", r#"{"number":"+39","numbers":["+39"]}"#, r#"{"number":"+39","numbr":1}"#]
    {
        let request = format!(
            "POST /v1/meetings/standup/dial-outs HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(exchange(server.address, &request).await.status, 400, "{body}");
    }
}

/// One budget of acme; none of anybody else.
fn budgets(of: Option<OrganizationId>) -> Vec<BudgetView> {
    let id = OrganizationId::from_name("acme");
    if of.is_some_and(|of| of != id) {
        return Vec::new();
    }
    let money = |text: &str| text.parse().unwrap();
    let limit = |key, used| LimitView { key, night: None, country: None, used };
    vec![BudgetView {
        subject: Subject::Organization(id),
        name: "organization acme".to_owned(),
        organization: "acme".to_owned(),
        currency: Currency::parse("EUR").unwrap(),
        limits: vec![
            limit("concurrent", Used::Calls { most: 5, used: 2 }),
            limit(
                "spend_hour",
                Used::Money {
                    most: money("10.00"),
                    spent: money("2.50"),
                    held: money("0.30"),
                    left: money("7.20"),
                },
            ),
        ],
    }]
}

async fn post(server: &Served, path: &str, body: &str) -> Answer {
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(server.address, &request).await
}

const WHY: &str = r#"{"by":"eve","reason":"calls to Latvia"}"#;

#[tokio::test]
async fn an_organization_is_stopped_once_however_often_it_is_said_and_resumed() {
    let server = serve(Some(TOKEN), Ok(())).await;
    let stopped = post(&server, "/v1/organizations/acme/stop", WHY).await;
    assert_eq!(stopped.status, 200, "{}", stopped.body);
    assert_eq!(
        (&stopped.json()["standing"], &stopped.json()["changed"]),
        (&Value::from("stopped"), &Value::from(true))
    );
    let again = post(&server, "/v1/organizations/acme/stop", WHY).await.json();
    assert_eq!(
        (&again["changed"], &again["revision"]),
        (&Value::from(false), &stopped.json()["revision"])
    );
    let listed = ask_with_token(&server, "GET /v1/suspensions").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["reason"], "calls to Latvia");
    assert_eq!(listed[0]["since"], "2026-11-18T11:06:40.250Z");
    assert_eq!(post(&server, "/v1/organizations/acme/resume", WHY).await.status, 200);
    assert_eq!(ask_with_token(&server, "GET /v1/suspensions").await.body, "[]");
    let acts = ask_with_token(&server, "GET /v1/acts").await.json();
    assert_eq!(acts.as_array().unwrap().len(), 3, "every act leaves its line");
    assert_eq!(
        (&acts[0]["verb"], &acts[0]["by"]),
        (&Value::from("resume"), &Value::from("eve, by HTTP"))
    );
    assert_eq!(acts[2]["name"], "acme");
}

#[tokio::test]
async fn a_trunk_is_suspended_by_its_name_and_an_unknown_one_is_not() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let mut live = std::mem::replace(&mut server.live, mpsc::channel(1).1);
    let (done, ()) =
        tokio::join!(post(&server, "/v1/trunks/carrier/suspend", WHY), answer_once(&mut live));
    assert_eq!((done.status, done.json()["standing"].as_str()), (200, Some("suspended")));
    let (unknown, ()) =
        tokio::join!(post(&server, "/v1/trunks/other/suspend", WHY), answer_once(&mut live));
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["hint"].as_str().unwrap().contains("/v1/trunks"));
}

#[tokio::test]
async fn an_act_that_is_not_understood_changes_nothing_and_says_what_to_send() {
    let server = serve(Some(TOKEN), Ok(())).await;
    for (path, body, status) in [
        ("/v1/organizations/acme/stop", "{}", 400),
        ("/v1/organizations/acme/stop", r#"{"by":"eve","reason":""}"#, 400),
        ("/v1/organizations/acme/stop", r#"{"by":"e\nve","reason":"x"}"#, 400),
        ("/v1/organizations/acme/stop", r#"{"by":"eve","reason":"x","until":"y"}"#, 400),
        ("/v1/organizations/acme/pause", WHY, 404),
        ("/v1/organizations/globex/stop", WHY, 404),
        ("/v1/users/nobody/stop", WHY, 404),
        ("/v1/numbers/+390116543210/stop", WHY, 404),
        ("/v1/numbers/abc/stop", WHY, 404),
        ("/v1/organizations/acme/countries/ZZ/approve", WHY, 404),
        ("/v1/organizations/acme/countries/LV/forget", WHY, 404),
        ("/v1/organizations/globex/countries/LV/deny", WHY, 404),
    ] {
        let answer = post(&server, path, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
        assert!(answer.json()["hint"].is_string());
    }
    let stranger = "POST /v1/organizations/acme/stop";
    assert_eq!(ask(&server, stranger, "").await.status, 401);
    assert_eq!(ask_with_token(&server, "GET /v1/organizations/acme/stop").await.status, 405);
    assert_eq!(ask_with_token(&server, "GET /v1/acts").await.body, "[]");
}

#[tokio::test]
async fn a_first_country_waits_until_somebody_approves_or_denies_it() {
    let server = serve(Some(TOKEN), Ok(())).await;
    let of = OrganizationId::from_name("acme");
    let budget =
        Budget { new_countries: NewCountries::Held, ..Budget::of(Subject::Organization(of)) };
    let guards = Guards { budgets: vec![budget], ..Guards::default() };
    server.store.apply(&Provision { guards, ..Provision::default() }).await.unwrap();
    let now = UnixTime { micros: 1_795_000_000_000_000 };
    for (call, called) in [(1, "+37120000001"), (2, "+37120000002"), (3, "+41441234567")] {
        let cdr = refused(call, called, of);
        server.store.commit(&[Command::Release { cdr: Box::new(cdr) }], now).await.unwrap();
    }
    let waiting = ask_with_token(&server, "GET /v1/approvals").await.json();
    let shown = |row: &Value| format!("{} {}", row["country"], row["asked"]);
    let rows: Vec<String> = waiting.as_array().unwrap().iter().map(shown).collect();
    assert_eq!(rows, ["\"CH\" 1", "\"LV\" 2"]);
    let path = "/v1/organizations/acme/countries/CH/approve";
    assert_eq!(post(&server, path, WHY).await.json()["decision"], "approved");
    let path = "/v1/organizations/acme/countries/LV/deny";
    assert_eq!(post(&server, path, WHY).await.json()["changed"], true);
    assert_eq!(post(&server, path, WHY).await.json()["changed"], false);
    assert_eq!(ask_with_token(&server, "GET /v1/approvals").await.body, "[]");
    let budget = server.store.provision().await.unwrap().guards.budgets.remove(0);
    assert_eq!(
        (budget.approved, budget.denied),
        (vec!["CH".parse().unwrap()], vec!["LV".parse().unwrap()])
    );
}

/// The record of a call that was refused because nobody approved the country.
fn refused(call: u128, called: &str, of: OrganizationId) -> Cdr {
    let mut cdr = Cdr::begun(CallId(call), CallType::Out, UnixTime { micros: 0 });
    cdr.called = called.parse().ok();
    cdr.organization = Some(of);
    cdr.ending.label = "country_unapproved".into();
    cdr
}

#[tokio::test]
async fn budgets_tell_what_is_spent_held_and_left() {
    let mut server = serve(Some(TOKEN), Ok(())).await;
    let mut live = std::mem::replace(&mut server.live, mpsc::channel(1).1);
    let (told, ()) = tokio::join!(
        ask_with_token(&server, "GET /v1/organizations/acme/budgets"),
        answer_once(&mut live)
    );
    let told = told.json();
    assert_eq!(told[0]["budget"], "organization acme");
    assert_eq!(told[0]["limits"][0]["left"], 3);
    assert_eq!(told[0]["limits"][1]["left"], "7.20");
    let (all, ()) =
        tokio::join!(ask_with_token(&server, "GET /v1/budgets"), answer_once(&mut live));
    assert_eq!(all.json(), told);
    let unknown = ask_with_token(&server, "GET /v1/organizations/globex/budgets").await;
    assert_eq!(unknown.status, 404);
}
