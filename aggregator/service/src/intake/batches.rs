//! Batches over HTTP.

use super::{
    Caller, Intake, Problem,
    jobs::{Numbered, number},
};
use crate::{
    ids::{BatchId, Hash},
    queue::{BatchState, BatchStatus},
};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;

/// Most batches of one answer.
const BATCHES_MAX: u32 = 100;

pub(super) async fn status(
    State(intake): State<Arc<Intake>>,
    _: Caller,
    batch: Numbered,
) -> Result<Json<BatchStatus>, Problem> {
    Ok(Json(intake.queue.batch(BatchId(number(batch)?)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: BatchState,
}

pub(super) async fn list(
    State(intake): State<Arc<Intake>>,
    _: Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Vec<BatchStatus>>, Problem> {
    let Query(ListQuery { state }) = query.map_err(|error| Problem::query(&error.body_text()))?;
    Ok(Json(intake.queue.batches(state, BATCHES_MAX).await?))
}

/// A batch's statements in hex by their places, with the null statement where that joins a single one: what a path to the
/// settled root is made of.
pub(super) async fn statements(
    State(intake): State<Arc<Intake>>,
    _: Caller,
    batch: Numbered,
) -> Result<Json<Vec<String>>, Problem> {
    let batch = intake.queue.batch(BatchId(number(batch)?)).await?;
    let mut statements = intake.queue.statements(batch.batch).await?;
    if let ([_], Some(null)) = (&statements[..], &intake.options.null_statement) {
        statements.push(null.clone());
    }
    Ok(Json(statements.into_iter().map(|statement| format!("0x{}", hex::encode(statement))).collect()))
}

pub(super) async fn root(State(intake): State<Arc<Intake>>, _: Caller, batch: Numbered) -> Result<Response, Problem> {
    let batch = intake.queue.batch(BatchId(number(batch)?)).await?;
    proof(&intake, &batch, batch.root, "a batch that has its root").await
}

pub(super) async fn seal(State(intake): State<Arc<Intake>>, _: Caller, batch: Numbered) -> Result<Response, Problem> {
    let batch = intake.queue.batch(BatchId(number(batch)?)).await?;
    proof(&intake, &batch, batch.seal, "a batch that has its seal").await
}

async fn proof(
    intake: &Intake,
    batch: &BatchStatus,
    blob: Option<Hash>,
    expected: &'static str,
) -> Result<Response, Problem> {
    let Some(blob) = blob else {
        let (got, remedy) = (format!("one that is {}", batch.state.as_str()), "wait, and ask for its state");
        return Err(Problem::new(StatusCode::CONFLICT, "wrong_state", expected, got, remedy));
    };
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], intake.blobs.get(&blob).await?).into_response())
}
