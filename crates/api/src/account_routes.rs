//! Accounts and what their plans include.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::Account;

use crate::auth::Admin;
use crate::extract::{Id, Json};
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;
use crate::token_routes::deed;

/// What an account may do. What is absent is without limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// For people: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Whether its plan has live ingest.
    live_ingest: bool,
    /// Minutes of encoding that are left.
    encoding_minutes_left: Option<i64>,
    /// Bytes of egress that are left.
    egress_bytes_left: Option<i64>,
}

/// An account.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AccountView {
    /// Its id.
    id: Uuid,
    /// For people.
    name: String,
    /// Whether its plan has live ingest.
    live_ingest: bool,
    /// Minutes of encoding that are left; nothing where there is no limit.
    encoding_minutes_left: Option<i64>,
    /// Bytes of egress that are left; nothing where there is no limit.
    egress_bytes_left: Option<i64>,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        let Account { id, name, live_ingest, encoding_minutes_left, egress_bytes_left } = account;
        Self { id, name, live_ingest, encoding_minutes_left, egress_bytes_left }
    }
}

/// List the accounts.
#[utoipa::path(get, path = "/accounts", operation_id = "list_accounts", tag = "administration",
    responses((status = 200, description = "All accounts.", body = Vec<AccountView>), Refusals))]
pub async fn list(State(state): State<ApiState>, _: Admin) -> Result<Answer<Vec<AccountView>>, Problem> {
    Ok(Answer(state.store().accounts().await?.into_iter().map(AccountView::from).collect()))
}

/// Make an account under an id of your own, or change it. Events that wait for credit are looked at again.
#[utoipa::path(put, path = "/accounts/{id}", operation_id = "put_account", tag = "administration", request_body = NewAccount,
    params(("id" = Uuid, Path, description = "The account.")),
    responses((status = 200, description = "As it is now.", body = AccountView), Refusals))]
pub async fn put(
    State(state): State<ApiState>,
    Admin(actor): Admin,
    Id(id): Id,
    Json(new): Json<NewAccount>,
) -> Result<Answer<AccountView>, Problem> {
    let name = new.name.trim().to_owned();
    if !(1..=100).contains(&name.chars().count()) || name.contains(char::is_control) {
        return Err(Problem::invalid("name", "name must have 1 to 100 characters, without line breaks"));
    }
    let (encoding_minutes_left, egress_bytes_left) = (new.encoding_minutes_left, new.egress_bytes_left);
    let account = Account { id, name, live_ingest: new.live_ingest, encoding_minutes_left, egress_bytes_left };
    let detail = json!({ "live_ingest": account.live_ingest, "encoding_minutes_left": encoding_minutes_left,
        "egress_bytes_left": egress_bytes_left });
    state.store().put_account(&account, &deed(&state, &actor, "account.put", id, detail)).await?;
    state.director().look_again().await;
    Ok(Answer(account.into()))
}
