//! Blobs in a bucket: against a server that speaks as much of S3's protocol as they use.

use crate::kit::{Kit, Place};
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use sinter_service::{Blobs, queue::BatchState};
use std::{
    collections::{BTreeMap, HashMap},
    process::Command,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

/// Set in the process whose environment names the bucket.
const BUCKET: &str = "SINTER_SERVICE_S3";

type Bucket = Arc<Mutex<BTreeMap<String, Bytes>>>;

async fn put(
    State(bucket): State<Bucket>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    // Nobody writes without a signature.
    assert!(headers[header::AUTHORIZATION].to_str().unwrap().starts_with("AWS4-HMAC-SHA256 Credential=key/"));
    bucket.lock().unwrap().insert(key, body);
    [(header::ETAG, "\"tag\"")]
}

async fn read(State(bucket): State<Bucket>, Path(key): Path<String>) -> impl IntoResponse {
    let Some(body) = bucket.lock().unwrap().get(&key).cloned() else { return StatusCode::NOT_FOUND.into_response() };
    let head = [(header::ETAG, "\"tag\""), (header::LAST_MODIFIED, "Tue, 01 Jan 2030 00:00:00 GMT")];
    (head, body).into_response()
}

async fn list(State(bucket): State<Bucket>, Query(query): Query<HashMap<String, String>>) -> String {
    let after = query.get("start-after").cloned().unwrap_or_default();
    let (mut xml, bucket) = ("<ListBucketResult>".to_owned(), bucket.lock().unwrap());
    for (key, body) in bucket.iter().filter(|(key, _)| key.starts_with(&query["prefix"]) && **key > after) {
        xml += &format!(
            "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2030-01-01T00:00:00Z</LastModified></Contents>",
            body.len()
        );
    }
    xml + "</ListBucketResult>"
}

async fn delete(State(bucket): State<Bucket>, Query(query): Query<HashMap<String, String>>, body: String) -> String {
    assert!(query.contains_key("delete"));
    let mut xml = "<DeleteResult>".to_owned();
    for part in body.split("<Key>").skip(1) {
        let key = part.split("</Key>").next().unwrap();
        bucket.lock().unwrap().remove(key);
        xml += &format!("<Deleted><Key>{key}</Key></Deleted>");
    }
    xml + "</DeleteResult>"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_serves_as_well_as_a_folder() {
    let bucket = Bucket::default();
    let router = Router::new()
        .route("/proofs", get(list).post(delete))
        .route("/proofs/{*key}", get(read).put(put))
        .with_state(bucket.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    // The environment is a process's, and is not changed while it runs.
    let status = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "s3::process_with_a_bucket", "--nocapture"]);
        let settings = [
            (BUCKET, "proofs"),
            ("AWS_ENDPOINT", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "here"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        command.envs(settings).status().unwrap()
    });
    assert!(status.await.unwrap().success());
    // What the other process left is the one blob that something names.
    let left: Vec<Bytes> = bucket.lock().unwrap().values().cloned().collect();
    assert_eq!(left, [Bytes::from_static(b"five")]);
}

/// The other process. By itself it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn process_with_a_bucket() {
    let Ok(bucket) = std::env::var(BUCKET) else { return };
    let mut kit = Kit::new(Place::sqlite()).await;
    kit.blobs = Blobs::s3(&bucket, 1 << 20).unwrap();
    assert!(kit.blobs.get(&sinter_service::Hash::of(b"none")).await.unwrap_err().is_gone());
    for proof in ["one", "two", "three", "four", "five"] {
        kit.submit("a", proof).await;
    }
    kit.work().await;
    assert_eq!(kit.roots(BatchState::Sealed).await, ["((one two) (three four))"]);
    let sealed = kit.queue.next_to_settle().await.unwrap().unwrap();
    kit.queue.settled(sealed.batch, "0xabc").await.unwrap();
    kit.queue.prune(kit.clock.now_ms() + 1).await.unwrap();
    kit.blobs.collect(&kit.queue, 0, 1000).await.unwrap();
    assert!(kit.blobs.get(&sealed.root).await.unwrap_err().is_gone());
}
