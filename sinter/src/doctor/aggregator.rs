//! An appliance: its configuration, its memory, what proves, where it listens, and the L1 that it settles on.

use super::{Finding, Verdict, host, l1};
use crate::{aggregation::text, aggregator::config::AggregatorFile, config::load, relayer::read_key};
use sinter_prover::{CpuProver, Folder, Prover as _, gpu::device_bytes, guarded, stages::total_memory_bytes};
use sinter_shaders::{Device, Kernels, Options};
use std::{net::SocketAddr, path::Path, time::Duration};
use tokio::runtime::Runtime;

/// Disk below which a queue and its proofs cannot work: one batch's worth.
const DISK_BYTES_MIN: u64 = 1 << 30;

pub(super) fn findings(runtime: &Runtime, path: &Path) -> Vec<Finding> {
    let (file, folder) = match load::<AggregatorFile>(path) {
        Ok(loaded) => loaded,
        Err(failure) => {
            return vec![Finding::new(
                "configuration",
                Verdict::Wrong,
                failure.to_string(),
                "correct the key that it names",
            )];
        }
    };
    let mut findings = vec![Finding::ok("configuration", path.display().to_string())];
    findings.push(host::disk(&folder.join(&file.data_dir), DISK_BYTES_MIN));
    let runs = runtime.block_on(answers(file.listen, file.tls.is_some()));
    findings.push(host::port("intake port", file.listen, false, runs));
    if let Some(address) = file.listen_quic {
        findings.push(host::port("QUIC port", address, true, runs));
    }
    if let Some(address) = file.metrics {
        findings.push(host::port("metrics port", address, false, runs));
    }
    findings.push(memory(&file));
    findings.extend(gpus(&file));
    findings.push(match file.clients.len() {
        0 => Finding::new(
            "clients",
            Verdict::Warning,
            "nobody may hand proofs in",
            "sinter aggregator token ACCOUNT --output FILE",
        ),
        clients => Finding::ok("clients", format!("{clients} may hand proofs in")),
    });
    let Some(table) = &file.l1 else {
        findings.push(Finding::skipped(
            "L1",
            "`l1` is not configured: batches are sealed and kept",
            "see docs/aggregator.md",
        ));
        return findings;
    };
    match read_key(&folder.join(&table.key_file)) {
        Ok(signer) => findings.extend(runtime.block_on(l1::findings(&l1::Needed {
            url: &table.url,
            key: "l1.url",
            chain_id: table.chain_id,
            contracts: vec![("hub", table.hub)],
            contract_remedy: "`sinter hub show` prints where it belongs",
            payer: Some(signer.address()),
        }))),
        Err(failure) => {
            findings.push(Finding::new(
                "L1 account",
                Verdict::Wrong,
                failure.to_string(),
                "`l1.key_file`: hex, mode 0600",
            ));
        }
    }
    findings
}

/// Whether an appliance is there already. Its certificate is for others to judge.
async fn answers(listen: SocketAddr, encrypted: bool) -> bool {
    let scheme = if encrypted { "https" } else { "http" };
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).timeout(Duration::from_secs(2)).build();
    match client {
        Ok(client) => client.get(format!("{scheme}://{listen}/health")).send().await.is_ok(),
        Err(_) => false,
    }
}

/// Whether the machine has what proving was promised, and whether that is enough for the proofs that are made at once.
fn memory(file: &AggregatorFile) -> Finding {
    let promised = file.memory_bytes;
    let devices = file.prover.adapters().map_or(0, |adapters| adapters.len() as u32);
    let at_once = file.proofs_at_once.unwrap_or((2 * devices).max(1));
    let needed = match Folder::new() {
        Ok(folder) if devices == 0 => CpuProver.memory_bytes(folder.node().proving(), at_once),
        Ok(folder) => guarded::memory_bytes(folder.node().proving(), at_once),
        Err(error) => return Finding::wrong("memory", &error, "this is a fault of the program: report it"),
    };
    let total = total_memory_bytes();
    if needed > promised {
        let found = format!(
            "`memory_bytes` is {}, {at_once} proofs at once take up to {}: every job would be refused",
            text::bytes(promised),
            text::bytes(needed)
        );
        return Finding::new("memory", Verdict::Wrong, found, "raise `memory_bytes`, or lower `proofs_at_once`");
    }
    match total {
        Some(total) if total < promised => Finding::new(
            "memory",
            Verdict::Wrong,
            format!("`memory_bytes` promises {}, the machine has {}", text::bytes(promised), text::bytes(total)),
            "lower `memory_bytes`: a prover that is killed for memory gives its work back late",
        ),
        _ => Finding::ok(
            "memory",
            format!("{} of the {} that proving may take", text::bytes(needed), text::bytes(promised)),
        ),
    }
}

/// Whether each device that proves computes what it should, and has room for a fold.
fn gpus(file: &AggregatorFile) -> Vec<Finding> {
    let adapters = match file.prover.adapters() {
        Ok(adapters) if adapters.is_empty() => {
            return vec![Finding::ok("GPU", "none is wanted, or none is there: the processor proves")];
        }
        Ok(adapters) => adapters,
        Err(error) => return vec![Finding::wrong("GPU", &error, "`sinter aggregator gpus` lists what there is")],
    };
    let needed = Folder::new().map(|folder| device_bytes(folder.node().proving()));
    let mut findings: Vec<Finding> = adapters
        .iter()
        .map(|adapter| {
            let tested = Device::open(adapter, Options::default())
                .and_then(Kernels::new)
                .map_err(Into::into)
                .and_then(|kernels| kernels.self_test());
            match tested {
                Ok(()) => Finding::ok("GPU", format!("{} computes what it should", adapter.name())),
                Err(error) => Finding::wrong("GPU", &error, "the runbook SinterGpuFallback; have the card checked"),
            }
        })
        .collect();
    findings.push(match (needed, file.gpu_memory_bytes) {
        (Ok(needed), Some(budget)) if budget < needed => Finding::new(
            "GPU memory",
            Verdict::Wrong,
            format!(
                "`gpu_memory_bytes` is {}, a fold takes up to {}: the processor would prove",
                text::bytes(budget),
                text::bytes(needed)
            ),
            "raise it; `sinter aggregator gpus` prints presets",
        ),
        (Ok(needed), _) => Finding::ok("GPU memory", format!("a fold takes up to {}", text::bytes(needed))),
        (Err(error), _) => Finding::wrong("GPU memory", &error, "this is a fault of the program: report it"),
    });
    findings
}
