//! Who did what.

use axum::Json as Answer;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_director::timestamp;
use weir_store::AuditRow;

use crate::auth::Admin;
use crate::extract::Query;
use crate::page::{Page, PageQuery, wanted};
use crate::problem::{Problem, Refusals};
use crate::state::ApiState;

/// Something that was done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeedView {
    /// Its place in the log.
    id: Uuid,
    /// When.
    at: String,
    /// Who: a token, the console, or a rule.
    actor: String,
    /// What, for example `event.stop`.
    action: String,
    /// To what, mostly an id.
    subject: String,
    /// What else there is to say.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

impl From<AuditRow> for DeedView {
    fn from(row: AuditRow) -> Self {
        let (id, entry) = (row.id, row.entry);
        let at = timestamp(entry.at_ms);
        Self { id, at, actor: entry.actor, action: entry.action, subject: entry.subject, detail: entry.detail }
    }
}

/// Who did what, newest first.
#[utoipa::path(get, path = "/audit", operation_id = "list_deeds", tag = "administration", params(PageQuery),
    responses((status = 200, description = "A page of the log.", body = Page<DeedView>), Refusals))]
pub async fn list(
    State(state): State<ApiState>,
    _: Admin,
    Query(query): Query<PageQuery>,
) -> Result<Answer<Page<DeedView>>, Problem> {
    let wanted = wanted(query.limit);
    let rows = state.store().audit(query.cursor, wanted).await?;
    let deeds = rows.into_iter().map(DeedView::from).collect();
    Ok(Answer(Page::new(deeds, wanted, |deed: &DeedView| deed.id)))
}
