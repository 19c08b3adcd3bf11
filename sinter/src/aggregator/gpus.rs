//! `sinter aggregator gpus`: what this machine could prove on.

use crate::exit::{Exit, Failure, OrFail, print_result};
use clap::Args;
use serde::Serialize;
use sinter_prover::{Folder, gpu::device_bytes};
use sinter_shaders::{Adapter, Device, Kernels, Kind, Options, SelfTestError};

/// `sinter aggregator gpus`.
#[derive(Clone, Debug, Args)]
pub struct GpusArguments {
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,
    /// List them alone, without testing and measuring
    #[arg(long)]
    pub list: bool,
}

/// What to configure for a card with so much memory: nine tenths of it, and no more proofs at once than keep a card busy.
#[derive(Clone, Copy, Debug, Serialize)]
struct Preset {
    card_gb: u64,
    gpu_memory_bytes: u64,
    proofs_at_once: u32,
}

const PRESETS: [Preset; 4] = [preset(8, 4), preset(12, 6), preset(24, 8), preset(80, 16)];

const fn preset(card_gb: u64, proofs_at_once: u32) -> Preset {
    Preset { card_gb, gpu_memory_bytes: card_gb * 900_000_000, proofs_at_once }
}

/// One adapter.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    kind: String,
    backend: String,
    driver: String,
    /// What `prover = "auto"` would do with it.
    auto: bool,
    arithmetic: &'static str,
    binding_bytes_max: u64,
    buffer_bytes_max: u64,
    workgroup_bytes: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tested: Option<Tested>,
}

/// What its self-test and a quick measurement said.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Tested {
    Passed { self_test: &'static str, poseidon2_gperm_s: f64, copy_gb_s: f64 },
    Failed { self_test: String },
}

/// The list of this machine.
#[derive(Debug, Serialize)]
struct Gpus {
    /// Device memory that a fold takes, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    fold_bytes: Option<u64>,
    presets: [Preset; 4],
    gpus: Vec<Row>,
}

/// Carries the command out. It fails when an adapter does not compute what it should.
///
/// # Errors
/// When a self-test fails, or there is no adapter at all.
pub fn run(arguments: &GpusArguments) -> Result<(), Failure> {
    let adapters = Adapter::all();
    let hardware = adapters.iter().any(|adapter| adapter.kind() != Kind::Software);
    let best = adapters.first().map(Adapter::kind);
    let rows: Vec<Row> = adapters
        .iter()
        .map(|adapter| Row {
            name: adapter.name().to_owned(),
            kind: format!("{:?}", adapter.kind()).to_lowercase(),
            backend: adapter.backend(),
            driver: adapter.driver(),
            auto: hardware && Some(adapter.kind()) == best,
            arithmetic: if adapter.has_u64() { "u64" } else { "u32" },
            binding_bytes_max: adapter.binding_bytes_max(),
            buffer_bytes_max: adapter.buffer_bytes_max(),
            workgroup_bytes: adapter.workgroup_bytes(),
            tested: (!arguments.list).then(|| test(adapter)),
        })
        .collect();
    let failed = rows.iter().filter(|row| matches!(row.tested, Some(Tested::Failed { .. }))).count();
    let fold_bytes = match arguments.list {
        true => None,
        false => {
            let folder = Folder::new().or_fail(Exit::Failed, "building the fold circuit")?;
            Some(device_bytes(folder.node().proving()))
        }
    };
    let gpus = Gpus { fold_bytes, presets: PRESETS, gpus: rows };
    if arguments.json {
        print_result(serde_json::to_string(&gpus).or_fail(Exit::Failed, "writing the list")?)?;
    } else {
        print_result(table(&gpus))?;
    }
    match failed {
        0 => Ok(()),
        _ => {
            Err(Failure::new(Exit::Failed, format!("{failed} of {} adapters failed their self-test", gpus.gpus.len())))
        }
    }
}

/// Opens an adapter, tests it, and measures it for a moment.
fn test(adapter: &Adapter) -> Tested {
    let tested = || {
        let kernels = Kernels::new(Device::open(adapter, Options::default())?)?;
        kernels.self_test()?;
        // A software driver takes a thousand times as long.
        let (states, rows, words) = if adapter.kind() == Kind::Software { (12, 14, 22) } else { (20, 20, 26) };
        Ok(kernels.speed(states, rows, words)?)
    };
    match tested() {
        Ok(speed) => Tested::Passed {
            self_test: "passed",
            poseidon2_gperm_s: speed.permutations_per_s / 1e9,
            copy_gb_s: speed.copied_bytes_per_s / 1e9,
        },
        Err(error) => {
            let error: SelfTestError = error;
            Tested::Failed { self_test: error.to_string() }
        }
    }
}

fn table(gpus: &Gpus) -> String {
    let mut lines = Vec::new();
    for (number, row) in gpus.gpus.iter().enumerate() {
        lines.push(format!("{number}  {} ({}, {}, {})", row.name, row.kind, row.backend, row.driver));
        lines.push(format!(
            "   products in {}; bindings of {} MiB, buffers of {} MiB, {} KiB a workgroup",
            row.arithmetic,
            row.binding_bytes_max >> 20,
            row.buffer_bytes_max >> 20,
            row.workgroup_bytes >> 10
        ));
        match &row.tested {
            Some(Tested::Passed { poseidon2_gperm_s, copy_gb_s, .. }) => lines.push(format!(
                "   self-test passed; {poseidon2_gperm_s:.4} G permutations/s, copies {copy_gb_s:.1} GB/s"
            )),
            Some(Tested::Failed { self_test }) => lines.push(format!("   SELF-TEST FAILED: {self_test}")),
            None => {}
        }
        lines.push(match (row.auto, row.kind.as_str()) {
            (true, _) => "   `prover = \"auto\"` takes it".to_owned(),
            (false, "software") => {
                "   a software driver: slower than the processor itself, taken only by name".to_owned()
            }
            (false, _) => "   taken only by name: there are better ones".to_owned(),
        });
    }
    if gpus.gpus.is_empty() {
        lines.push("no adapter: is there a driver, and the Vulkan loader (Debian: libvulkan1)?".to_owned());
    }
    if let Some(bytes) = gpus.fold_bytes {
        lines.push(format!("a fold takes at most {} MiB of device memory", bytes >> 20));
        lines.extend(gpus.presets.iter().map(|preset| {
            let Preset { card_gb, gpu_memory_bytes, proofs_at_once } = preset;
            format!(
                "   a card of {card_gb} GB: gpu_memory_bytes = {gpu_memory_bytes}, proofs_at_once = {proofs_at_once}"
            )
        }));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_preset_has_room_for_the_folds_that_it_starts() {
        let fold_bytes = device_bytes(Folder::new().unwrap().node().proving());
        for Preset { card_gb, gpu_memory_bytes, proofs_at_once } in PRESETS {
            let needed = u64::from(proofs_at_once) * fold_bytes;
            assert!(needed <= gpu_memory_bytes && gpu_memory_bytes < card_gb << 30, "{card_gb} GB: {needed} bytes");
        }
    }
}
