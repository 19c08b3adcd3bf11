//! Jobs over HTTP.

use super::{Caller, DOOMED_MAX, Intake, Problem, is_doomed};
use crate::{
    admission::{self, Request},
    ids::{Hash, JobId},
    metrics,
    queue::{JobStatus, NewJob, Submitted, Totals},
};
use axum::{
    Json,
    body::Body,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Instant};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubmitQuery {
    program: Hash,
    deadline_ms: u64,
    #[serde(default)]
    price_gwei: u64,
    #[serde(default)]
    priority: u8,
}

pub(super) type Numbered = Result<Path<i64>, PathRejection>;

pub(super) fn number(path: Numbered) -> Result<i64, Problem> {
    path.map(|Path(number)| number).map_err(|error| Problem::query(&error.body_text()))
}

fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) async fn submit(
    State(intake): State<Arc<Intake>>,
    Caller(account): Caller,
    query: Result<Query<SubmitQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Submitted>), Problem> {
    let Query(query) = query.map_err(|error| Problem::query(&error.body_text()))?;
    let SubmitQuery { program, deadline_ms, price_gwei, priority } = query;
    let policy = &intake.options.policy;
    let request = Request { deadline_ms, price_gwei, priority };
    // What time does not mend need not be sent. What it does mend is judged in the transaction that takes the job in, after it
    // was seen whether the job is there already: who asks again gets the same answer, however full the queue is by now.
    let early = admission::admit(&request, &intake.queue.load(&account, &program).await?, policy);
    if let Err(refusal) = early
        && !refusal.is_temporary()
    {
        return Err(refusal.into());
    }
    let (proof, _permit) = intake.body(&account, &headers, body).await?;
    let started = Instant::now();
    let mut attempts = 0;
    let submitted = loop {
        let job = NewJob {
            account: account.clone(),
            program,
            proof: intake.blobs.put(proof.clone()).await?,
            bytes: proof.len() as u64,
            deadline_ms: column(deadline_ms),
            priority: priority.into(),
            price_gwei: column(price_gwei),
        };
        let outcome = intake.queue.submit(&job, |load| admission::admit(&request, load, policy)).await;
        attempts += 1;
        if attempts >= DOOMED_MAX || !is_doomed(&outcome).await {
            break outcome?;
        }
    };
    metrics::submitted(submitted.new);
    metrics::intake(started.elapsed());
    Ok((if submitted.new { StatusCode::CREATED } else { StatusCode::OK }, Json(submitted)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindQuery {
    proof: Hash,
}

/// The account's job with a proof of this SHA-256: for who got no answer and does not want to send it again.
pub(super) async fn find(
    State(intake): State<Arc<Intake>>,
    Caller(account): Caller,
    query: Result<Query<FindQuery>, QueryRejection>,
) -> Result<Json<JobStatus>, Problem> {
    let Query(FindQuery { proof }) = query.map_err(|error| Problem::query(&error.body_text()))?;
    Ok(Json(intake.queue.job_of_proof(&account, &proof).await?))
}

pub(super) async fn status(
    State(intake): State<Arc<Intake>>,
    Caller(account): Caller,
    job: Numbered,
) -> Result<Json<JobStatus>, Problem> {
    Ok(Json(intake.queue.job(&account, JobId(number(job)?)).await?))
}

pub(super) async fn cancel(
    State(intake): State<Arc<Intake>>,
    Caller(account): Caller,
    job: Numbered,
) -> Result<Json<JobStatus>, Problem> {
    let job = JobId(number(job)?);
    intake.queue.cancel(&account, job).await?;
    Ok(Json(intake.queue.job(&account, job).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriorityQuery {
    priority: u8,
}

pub(super) async fn prioritise(
    State(intake): State<Arc<Intake>>,
    Caller(account): Caller,
    job: Numbered,
    query: Result<Query<PriorityQuery>, QueryRejection>,
) -> Result<Json<JobStatus>, Problem> {
    let job = JobId(number(job)?);
    let Query(PriorityQuery { priority }) = query.map_err(|error| Problem::query(&error.body_text()))?;
    let allow = |price_gwei: i64| {
        admission::priced(&intake.options.policy, priority, u64::try_from(price_gwei).unwrap_or_default())
    };
    intake.queue.prioritise(&account, job, priority.into(), allow).await?;
    Ok(Json(intake.queue.job(&account, job).await?))
}

#[derive(Serialize)]
pub(super) struct Health {
    status: &'static str,
    #[serde(flatten)]
    totals: Totals,
}

/// Whether proofs that are taken now will be proved: the database answers, and somebody proves.
pub(super) async fn health(State(intake): State<Arc<Intake>>) -> Result<(StatusCode, Json<Health>), Problem> {
    let totals = intake.queue.totals().await?;
    let (code, status) = match totals {
        Totals { provers: 0, .. } => (StatusCode::SERVICE_UNAVAILABLE, "no_prover"),
        Totals { batches_stuck: 1.., .. } => (StatusCode::OK, "batches_stuck"),
        _ => (StatusCode::OK, "ok"),
    };
    Ok((code, Json(Health { status, totals })))
}
