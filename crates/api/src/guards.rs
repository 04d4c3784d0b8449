//! Guards by hand: who is out of service, which countries may be called. Every act is written down
//! for ever, with who did it, when and why; doing it twice is doing it once.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use model::record::Provision;
use model::{Country, Did, NumberId, OrganizationId, Standing, Subject, UserId, numbering};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Act, Verb};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::calls::iso;
use crate::failure::Failure;
use crate::{LiveQuery, PATIENCE, State};

/// Longest reason and longest name of who acts, characters.
const REASON: usize = 200;
/// Acts shown.
const ACTS: u32 = 100;

/// Who acts, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    by: String,
    reason: String,
}

/// `POST /v1/{organizations,users,numbers,trunks}/{name}/{suspend,stop,resume}`: new calls of it are
/// refused, live ones end too, or everything is as before. It holds within a second.
pub(crate) async fn stand(
    (kind, state): (&'static str, State),
    (name, verb): (String, String),
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response, Failure> {
    let verb = match verb.as_str() {
        "suspend" => Verb::Suspend,
        "stop" => Verb::Stop,
        "resume" => Verb::Resume,
        _ => return Err(Failure::NoSuchRoute),
    };
    let asked = read(asked)?;
    let known = provision(&state).await?;
    let subject = subject(&state, (kind, &name), &known).await?;
    let standing = match verb {
        Verb::Suspend => "suspended",
        Verb::Stop => "stopped",
        Verb::Resume | Verb::Approve(_) | Verb::Deny(_) => "in service",
    };
    let told = json!({ "kind": kind, "name": name, "standing": standing });
    act(&state, (verb, subject), asked, known.revision, told).await
}

/// `POST /v1/organizations/{name}/countries/{country}/{approve,deny}`.
pub(crate) async fn decide(
    Shared(state): Shared<State>,
    Path((name, country, verb)): Path<(String, String, String)>,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response, Failure> {
    let country = country.parse::<Country>().ok();
    let country = country.filter(|country| numbering::plan(*country).is_some());
    let country = country.ok_or(Failure::NoSuchCountry)?;
    let (verb, decision) = match verb.as_str() {
        "approve" => (Verb::Approve(country), "approved"),
        "deny" => (Verb::Deny(country), "denied"),
        _ => return Err(Failure::NoSuchRoute),
    };
    let asked = read(asked)?;
    let known = provision(&state).await?;
    let subject = subject(&state, ("organization", &name), &known).await?;
    let told = json!({ "organization": name, "country": country.code(), "decision": decision });
    act(&state, (verb, subject), asked, known.revision, told).await
}

/// `GET /v1/suspensions`: who is out of service, since when and why.
pub(crate) async fn suspensions(Shared(state): Shared<State>) -> Result<Response, Failure> {
    let known = provision(&state).await?;
    let trunks = trunk_names(&state).await.unwrap_or_default();
    let shown = known.guards.suspensions.iter().map(|row| {
        json!({
            "kind": row.subject.kind(),
            "name": name_of(row.subject, &known, &trunks),
            "standing": match row.standing {
                Standing::Suspended => "suspended",
                Standing::Stopped => "stopped",
            },
            "reason": row.reason,
            "since": iso(row.since.micros),
        })
    });
    Ok(Json(shown.collect::<Vec<Value>>()).into_response())
}

/// `GET /v1/acts`: the newest acts about guards, newest first.
pub(crate) async fn acts(Shared(state): Shared<State>) -> Result<Response, Failure> {
    let known = provision(&state).await?;
    let trunks = trunk_names(&state).await.unwrap_or_default();
    let acts = match timeout(PATIENCE, state.store.acts(ACTS)).await {
        Ok(Ok(acts)) => acts,
        Ok(Err(_)) | Err(_) => return Err(Failure::StoreUnavailable),
    };
    let shown = acts.iter().map(|act| {
        json!({
            "at": iso(act.at.micros),
            "by": act.actor,
            "verb": act.verb.word(),
            "kind": act.subject.kind(),
            "name": name_of(act.subject, &known, &trunks),
            "reason": act.reason,
        })
    });
    Ok(Json(shown.collect::<Vec<Value>>()).into_response())
}

async fn act(
    state: &State,
    (verb, subject): (Verb, Subject),
    Asked { by, reason }: Asked,
    before: u64,
    mut told: Value,
) -> Result<Response, Failure> {
    let act = Act { at: (state.clock)(), actor: format!("{by}, by HTTP"), verb, subject, reason };
    let revision = match timeout(PATIENCE, state.store.act(&act)).await {
        Ok(Ok(revision)) => revision,
        Ok(Err(_)) | Err(_) => return Err(Failure::StoreUnavailable),
    };
    told["revision"] = revision.into();
    told["changed"] = (revision != before).into();
    Ok(Json(told).into_response())
}

fn read(asked: Result<Json<Asked>, JsonRejection>) -> Result<Asked, Failure> {
    let Json(asked) = asked.map_err(|_| Failure::MalformedAct)?;
    let fits = |text: &str| {
        let plain = !text.chars().any(char::is_control);
        plain && !text.trim().is_empty() && text.chars().count() <= REASON
    };
    if fits(&asked.by) && fits(&asked.reason) { Ok(asked) } else { Err(Failure::MalformedAct) }
}

/// Reads all that is provisioned.
pub(crate) async fn provision(state: &State) -> Result<Provision, Failure> {
    match timeout(PATIENCE, state.store.provision()).await {
        Ok(Ok(provision)) => Ok(provision),
        Ok(Err(_)) | Err(_) => Err(Failure::StoreUnavailable),
    }
}

/// Finds whom a path names.
async fn subject(
    state: &State,
    (kind, name): (&str, &str),
    known: &Provision,
) -> Result<Subject, Failure> {
    let (found, no) = match kind {
        "organization" => {
            let id = OrganizationId::from_name(name);
            let there = known.organizations.iter().any(|row| row.id == id);
            (there.then_some(Subject::Organization(id)), Failure::NoSuchOrganization)
        }
        "user" => {
            let id = UserId::from_name(name);
            let there = known.users.iter().any(|row| row.id == id);
            (there.then_some(Subject::User(id)), Failure::NoSuchUser)
        }
        "number" => {
            let id = name.parse::<Did>().ok().map(|did| NumberId::from_name(&did.full()));
            let there = id.filter(|id| known.numbers.iter().any(|row| row.id == *id));
            (there.map(Subject::Number), Failure::NoSuchNumber)
        }
        _ => {
            let id = model::TrunkId::from_name(name);
            let trunks = trunk_names(state).await?;
            let there = trunks.iter().any(|trunk| trunk == name);
            (there.then_some(Subject::Trunk(id)), Failure::NoSuchTrunk)
        }
    };
    found.ok_or(no)
}

async fn trunk_names(state: &State) -> Result<Vec<String>, Failure> {
    let (reply, answer) = oneshot::channel();
    state.live.try_send(LiveQuery::Trunks(reply)).map_err(|_| Failure::Busy)?;
    match timeout(PATIENCE, answer).await {
        Ok(Ok(trunks)) => Ok(trunks.into_iter().map(|trunk| trunk.name).collect()),
        Ok(Err(_)) | Err(_) => Err(Failure::Busy),
    }
}

/// The name of a subject; its id if it is provisioned no more.
fn name_of(subject: Subject, known: &Provision, trunks: &[String]) -> String {
    let name = match subject {
        Subject::Organization(id) => {
            known.organizations.iter().find(|row| row.id == id).map(|row| row.name.clone())
        }
        Subject::User(id) => {
            known.users.iter().find(|row| row.id == id).map(|row| row.name.clone())
        }
        Subject::Number(id) => {
            known.numbers.iter().find(|row| row.id == id).map(|row| row.did.full())
        }
        Subject::Trunk(id) => {
            trunks.iter().find(|name| model::TrunkId::from_name(name) == id).cloned()
        }
    };
    name.unwrap_or_else(|| format!("{:032x}", subject.id()))
}
