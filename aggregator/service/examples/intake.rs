//! Times the intake with 100,000 jobs in the queue, or as many as are named, and prints one JSON object.

use sinter_service::bench;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = bench::Options::default();
    if let Some(jobs) = std::env::args().nth(1) {
        options.jobs = jobs.parse()?;
    }
    let folder = tempfile::tempdir()?;
    println!("{}", serde_json::to_string(&bench::intake(folder.path(), options).await?)?);
    Ok(())
}
