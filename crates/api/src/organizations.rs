//! What an organization's account holds.

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use model::OrganizationId;
use serde::Serialize;
use store::AccountView;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::{PATIENCE, State};

/// An account as JSON; amounts are exact text in units of `currency`.
#[derive(Debug, Serialize)]
struct CreditsView {
    organization: String,
    currency: String,
    granted: String,
    captured: String,
    expired: String,
    held: String,
    available: String,
    burn_per_sec: String,
}

/// `GET /v1/organizations/{name}/credits`.
pub(crate) async fn credits(
    Shared(state): Shared<State>,
    Path(name): Path<String>,
) -> Result<Response, Failure> {
    let asked = state.store.account(OrganizationId::from_name(&name));
    let account = match timeout(PATIENCE, asked).await {
        Ok(Ok(account)) => account.ok_or(Failure::NoSuchOrganization)?,
        Ok(Err(_)) | Err(_) => return Err(Failure::StoreUnavailable),
    };
    Ok(Json(view(account)).into_response())
}

fn view(account: AccountView) -> CreditsView {
    CreditsView {
        organization: account.name,
        currency: account.currency.to_string(),
        granted: account.granted.to_string(),
        captured: account.captured.to_string(),
        expired: account.expired.to_string(),
        held: account.held.to_string(),
        available: account.available.to_string(),
        burn_per_sec: account.burn_per_sec.to_string(),
    }
}
