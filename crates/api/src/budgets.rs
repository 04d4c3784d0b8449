//! Budgets of calls out: what is spent, what is left, and which countries wait for an approval.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use bridge::{BudgetView, LimitView, Used};
use model::{Country, NewCountries, OrganizationId, Subject, Unapproved, UnixTime, numbering};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::calls::iso;
use crate::failure::Failure;
use crate::guards::provision;
use crate::{LiveQuery, PATIENCE, State};

/// Refused calls looked at for what waits for an approval, newest first.
const REFUSED: u32 = 10_000;

/// `GET /v1/budgets`: the budgets of everybody who has called out in the last day.
pub(crate) async fn list(Shared(state): Shared<State>) -> Result<Response, Failure> {
    told(&state, None).await
}

/// `GET /v1/organizations/{name}/budgets`: those of one organization, and of its organizers who have
/// one of their own.
pub(crate) async fn of(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let id = OrganizationId::from_name(&name);
    let known = provision(&state).await?;
    if !known.organizations.iter().any(|row| row.id == id) {
        return Err(Failure::NoSuchOrganization);
    }
    told(&state, Some(id)).await
}

/// `GET /v1/approvals`: countries that an organization's meetings wanted to call, of which nobody has
/// said whether they may.
pub(crate) async fn approvals(Shared(state): Shared<State>) -> Result<Response, Failure> {
    let known = provision(&state).await?;
    let all = UnixTime { micros: i64::MIN };
    let refused = match timeout(PATIENCE, state.store.unapproved(all, REFUSED)).await {
        Ok(Ok(refused)) => refused,
        Ok(Err(_)) | Err(_) => return Err(Failure::StoreUnavailable),
    };
    let waits = |of: OrganizationId, country: Country| {
        let subject = Subject::Organization(of);
        let budget = known.guards.budgets.iter().find(|row| row.subject == subject);
        budget.is_some_and(|budget| {
            let decided = budget.approved.contains(&country) || budget.denied.contains(&country);
            budget.new_countries == NewCountries::Held && !decided
        })
    };
    let names: BTreeMap<OrganizationId, &str> =
        known.organizations.iter().map(|row| (row.id, row.name.as_str())).collect();
    let waiting = pending(&refused).into_iter().filter_map(|((of, country), (asked, newest))| {
        let name = names.get(&of).filter(|_| waits(of, country))?;
        Some(json!({
            "organization": name,
            "country": country.code(),
            "asked": asked,
            "newest": iso(newest.micros),
        }))
    });
    Ok(Json(waiting.collect::<Vec<Value>>()).into_response())
}

/// How often each country was asked for, and when for the last time. A network that belongs to no
/// country cannot be approved.
fn pending(refused: &[Unapproved]) -> BTreeMap<(OrganizationId, Country), (u32, UnixTime)> {
    let mut pending = BTreeMap::new();
    for row in refused {
        let Some(country) = numbering::place(&row.called).country else { continue };
        let (asked, newest) = pending.entry((row.organization, country)).or_insert((0, row.at));
        *asked += 1;
        *newest = row.at.max(*newest);
    }
    pending
}

async fn told(state: &State, of: Option<OrganizationId>) -> Result<Response, Failure> {
    let (reply, answer) = oneshot::channel();
    state.live.try_send(LiveQuery::Budgets { of, reply }).map_err(|_| Failure::Busy)?;
    let budgets = match timeout(PATIENCE, answer).await {
        Ok(Ok(budgets)) => budgets,
        Ok(Err(_)) | Err(_) => return Err(Failure::Busy),
    };
    Ok(Json(budgets.iter().map(budget).collect::<Vec<Value>>()).into_response())
}

fn budget(view: &BudgetView) -> Value {
    json!({
        "budget": view.name,
        "organization": view.organization,
        "currency": view.currency.to_string(),
        "limits": view.limits.iter().map(limit).collect::<Vec<Value>>(),
    })
}

/// Money is exact text in the budget's currency.
fn limit(view: &LimitView) -> Value {
    let mut told = match view.used {
        Used::Calls { most, used } => {
            json!({ "most": most, "used": used, "left": most.saturating_sub(used) })
        }
        Used::Money { most, spent, held, left } => json!({
            "most": most.to_string(),
            "spent": spent.to_string(),
            "held": held.to_string(),
            "left": left.to_string(),
        }),
    };
    told["limit"] = view.key.into();
    told["night"] = view.night.clone().into();
    told["country"] = view.country.map(|country| country.code().to_owned()).into();
    told
}
