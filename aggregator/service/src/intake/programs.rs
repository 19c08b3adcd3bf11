//! Programs over HTTP.

use super::{Caller, DOOMED_MAX, Intake, Problem, is_doomed};
use crate::{ids::Hash, queue::ProgramRow};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use sinter_program::{field::digest_bytes, file};
use std::sync::Arc;

pub(super) async fn upload(
    State(intake): State<Arc<Intake>>,
    Caller(account): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ProgramRow>), Problem> {
    let (program, _permit) = intake.body(&account, &headers, body).await?;
    if !program.starts_with(&file::MAGIC) {
        let (expected, remedy) = ("a program file", "send the file that `sinter program` writes");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "not_a_program", expected, "something else", remedy));
    }
    let bytes = program.clone();
    // Megabytes of Poseidon2. Whether the file holds a program is for whoever builds its circuit to see.
    let digest = tokio::task::spawn_blocking(move || Hash(digest_bytes(&file::digest(&bytes)))).await;
    let digest = digest.map_err(|_| Problem::busy())?;
    let mut attempts = 0;
    let row = loop {
        let file = intake.blobs.put(program.clone()).await?;
        let outcome = intake.queue.add_program(&account, &digest, &file, intake.options.programs_max).await;
        attempts += 1;
        if attempts >= DOOMED_MAX || !is_doomed(&outcome).await {
            break outcome?;
        }
    };
    Ok((StatusCode::ACCEPTED, Json(row)))
}

pub(super) async fn list(State(intake): State<Arc<Intake>>, _: Caller) -> Result<Json<Vec<ProgramRow>>, Problem> {
    Ok(Json(intake.queue.programs().await?))
}

pub(super) async fn status(
    State(intake): State<Arc<Intake>>,
    _: Caller,
    Path(digest): Path<String>,
) -> Result<Json<ProgramRow>, Problem> {
    let digest: Hash = digest.parse().map_err(|error| Problem::query(&error))?;
    Ok(Json(intake.queue.program(&digest).await?))
}
