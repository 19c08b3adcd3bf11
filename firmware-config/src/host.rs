//! What only the machine itself can tell and set: its GPUs, through `nvidia-smi`, and its devices' firmware, through `fwupdmgr`.

use crate::{
    error::FirmwareError,
    model::{Switch, printable},
    plan::{Item, Plan, State},
    profile::{FwupdMinimum, Profile, version_in},
};
use serde::Serialize;
use serde_json::Value;
use std::{fmt, io, process::Stdio, time::Duration};
use tokio::{io::AsyncReadExt, process::Command, time::timeout};

/// Longest output that is read of a program.
const OUTPUT_BYTES_MAX: u64 = 8 << 20;
/// How long a program may take. `nvidia-smi` loads the driver if nothing else has.
const PROGRAM_TIME_MAX: Duration = Duration::from_secs(60);
const QUERY: &str = "--query-gpu=index,uuid,persistence_mode,power.limit,power.min_limit,power.max_limit,\
                     ecc.mode.current,ecc.mode.pending";

/// The programs. Tests have their own.
#[derive(Clone, Debug)]
pub struct Programs {
    /// NVIDIA's.
    pub nvidia_smi: String,
    /// fwupd's.
    pub fwupdmgr: String,
}

impl Default for Programs {
    fn default() -> Self {
        Self { nvidia_smi: "nvidia-smi".into(), fwupdmgr: "fwupdmgr".into() }
    }
}

/// A GPU's setting to change: what `nvidia-smi` is called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuChange {
    /// The GPU.
    pub uuid: String,
    /// `-pm`, `-pl` or `-e`.
    pub option: &'static str,
    /// What it was.
    pub from: String,
    /// What it shall be.
    pub to: String,
}

impl fmt::Display for GpuChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → nvidia-smi {} {}", self.from, self.option, self.to)
    }
}

/// What has to be done on this machine.
///
/// # Errors
/// When a program that the profile needs is not there, or does not say what it should.
pub async fn plan(profile: &Profile, programs: &Programs) -> Result<Plan<GpuChange>, FirmwareError> {
    let mut items = Vec::new();
    if profile.gpu != Default::default() {
        let listed = output(&programs.nvidia_smi, &[QUERY, "--format=csv,noheader,nounits"]).await?;
        for line in listed.lines().filter(|line| !line.trim().is_empty()) {
            items.extend(Gpu::parse(&programs.nvidia_smi, line)?.items(profile));
        }
        if items.is_empty() {
            let reason = "expected at least one GPU, got none: look whether the card sits and its driver is loaded";
            return Err(FirmwareError::Program { program: programs.nvidia_smi.clone(), reason: reason.into() });
        }
    }
    if !profile.fwupd.is_empty() {
        let listed = output(&programs.fwupdmgr, &["get-devices", "--json"]).await?;
        let listed: Value = serde_json::from_str(&listed).map_err(|error| FirmwareError::Program {
            program: programs.fwupdmgr.clone(),
            reason: format!("expected JSON, got something else: {error}"),
        })?;
        items.extend(profile.fwupd.iter().map(|minimum| device(minimum, &listed)));
    }
    Ok(Plan { profile: profile.name.clone(), map: "nvidia-smi, fwupd".into(), items })
}

/// Does what a plan has to do.
///
/// # Errors
/// When `nvidia-smi` refuses; what was done before stays.
pub async fn apply(plan: &Plan<GpuChange>, programs: &Programs) -> Result<(), FirmwareError> {
    for change in plan.changes() {
        output(&programs.nvidia_smi, &["-i", &change.uuid, change.option, &change.to]).await?;
    }
    Ok(())
}

struct Gpu {
    index: u32,
    uuid: String,
    persistence: String,
    power_limit_watts: Option<f64>,
    power_range_watts: Option<(f64, f64)>,
    ecc: String,
    ecc_pending: String,
}

impl Gpu {
    fn parse(program: &str, line: &str) -> Result<Self, FirmwareError> {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        let malformed = || FirmwareError::Program {
            program: program.to_owned(),
            reason: format!("expected 8 fields of a GPU, got {:?}", printable(line)),
        };
        let &[index, uuid, persistence, limit, min, max, ecc, ecc_pending] = fields.as_slice() else {
            return Err(malformed());
        };
        let watts = |text: &str| text.parse::<f64>().ok().filter(|watts| watts.is_finite());
        if !uuid.starts_with("GPU-") {
            return Err(malformed());
        }
        Ok(Self {
            index: index.parse().map_err(|_| malformed())?,
            uuid: uuid.to_owned(),
            persistence: persistence.to_owned(),
            power_limit_watts: watts(limit),
            power_range_watts: watts(min).zip(watts(max)),
            ecc: ecc.to_owned(),
            ecc_pending: ecc_pending.to_owned(),
        })
    }

    fn items(&self, profile: &Profile) -> Vec<Item<GpuChange>> {
        let wanted = &profile.gpu;
        let mut items = Vec::new();
        if let Some(switch) = wanted.persistence {
            let state = match switched(&self.persistence) {
                Some(current) if current == switch => State::Holds,
                Some(_) => self.change("-pm", &self.persistence, number(switch)),
                None => State::Impossible("this GPU does not have it".into()),
            };
            let why = "a proof does not wait for the driver";
            items.push(self.item("persistence", switch.to_string(), self.persistence.clone(), state, why));
        }
        if let Some(watts) = wanted.power_limit_watts {
            let state = match (self.power_limit_watts, self.power_range_watts) {
                (Some(current), _) if (current - f64::from(watts)).abs() < 0.5 => State::Holds,
                (Some(current), Some((min, max))) if (min..=max).contains(&f64::from(watts)) => {
                    self.change("-pl", &format!("{current} W"), watts.to_string())
                }
                (Some(_), Some((min, max))) => State::Impossible(format!("this GPU takes {min} to {max} W")),
                _ => State::Impossible("this GPU does not have it".into()),
            };
            let current = self.power_limit_watts.map_or("unknown".into(), |watts| format!("{watts} W"));
            items.push(self.item(
                "power_limit",
                format!("{watts} W"),
                current,
                state,
                "what the machine can cool and feed",
            ));
        }
        if let Some(switch) = wanted.ecc {
            let state = match (switched(&self.ecc), switched(&self.ecc_pending)) {
                (Some(current), _) if current == switch && switched(&self.ecc_pending) != Some(opposite(switch)) => {
                    State::Holds
                }
                (Some(_), Some(pending)) if pending == switch => State::Pending,
                (Some(_), _) => self.change("-e", &self.ecc, number(switch)),
                (None, _) => State::Impossible("this GPU's memory has no ECC".into()),
            };
            let why = "a flipped bit in a witness is an hour of proving lost";
            let mut item = self.item("ecc", switch.to_string(), self.ecc.clone(), state, why);
            // Cards for desktops have no ECC, and fold as well: what they fold is verified.
            item.required = false;
            items.push(item);
        }
        items
    }

    fn change(&self, option: &'static str, from: &str, to: String) -> State<GpuChange> {
        State::Change(GpuChange { uuid: self.uuid.clone(), option, from: from.to_owned(), to })
    }

    fn item(&self, name: &str, wanted: String, current: String, state: State<GpuChange>, why: &str) -> Item<GpuChange> {
        Item {
            name: format!("gpu{}_{name}", self.index),
            wanted,
            current: Some(printable(&current)),
            place: Some(self.uuid.clone()),
            state,
            required: true,
            why: why.to_owned(),
        }
    }
}

fn switched(text: &str) -> Option<Switch> {
    match text {
        "Enabled" => Some(Switch::On),
        "Disabled" => Some(Switch::Off),
        _ => None,
    }
}

fn opposite(switch: Switch) -> Switch {
    match switch {
        Switch::On => Switch::Off,
        Switch::Off => Switch::On,
    }
}

fn number(switch: Switch) -> String {
    u8::from(switch == Switch::On).to_string()
}

/// How a device's firmware stands. It is never updated from here: that is fwupd's, and takes the operator's decision.
fn device(minimum: &FwupdMinimum, listed: &Value) -> Item<GpuChange> {
    let devices = listed["Devices"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_meant = |device: &&Value| {
        device["Guid"].as_array().into_iter().flatten().any(|guid| guid.as_str() == Some(minimum.guid.as_str()))
    };
    let found = devices.iter().find(is_meant);
    let version = found.and_then(|device| device["Version"].as_str());
    let state = match (found, version.map(version_in)) {
        (None, _) => State::Impossible("fwupd knows no such device here: look at `fwupdmgr get-devices`".into()),
        (Some(_), Some(Some(version))) if Some(&version) >= version_in(&minimum.minimum).as_ref() => State::Holds,
        (Some(_), Some(Some(_))) => State::Impossible("too old: `fwupdmgr update`, then a reset".into()),
        (Some(_), _) => State::Impossible("its version has no numbers to compare".into()),
    };
    Item {
        name: format!("fwupd_{}", minimum.guid),
        wanted: format!("{} or newer", minimum.minimum),
        current: version.map(printable),
        place: Some(minimum.about.clone()),
        state,
        required: true,
        why: "older firmware has faults that this profile does not accept".into(),
    }
}

/// What a program prints, if it ends well, in time, and does not print without end.
async fn output(program: &str, arguments: &[&str]) -> Result<String, FirmwareError> {
    let failed = |reason: String| FirmwareError::Program { program: program.to_owned(), reason };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed("not found: install it, or leave its settings out of the profile".into()),
        _ => failed(error.to_string()),
    })?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed("its output cannot be read".into()));
    };
    let run = async {
        let (mut text, mut errors) = (String::new(), String::new());
        let mut stdout = stdout.take(OUTPUT_BYTES_MAX);
        let mut stderr = stderr.take(OUTPUT_BYTES_MAX);
        tokio::try_join!(stdout.read_to_string(&mut text), stderr.read_to_string(&mut errors))?;
        Ok::<_, io::Error>((child.wait().await?, text, errors))
    };
    let ended = timeout(PROGRAM_TIME_MAX, run).await;
    let ended = ended.map_err(|_| failed(format!("did not end within {} s", PROGRAM_TIME_MAX.as_secs())))?;
    let (status, text, errors) = ended.map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        let said = if errors.trim().is_empty() { text.trim() } else { errors.trim() };
        return Err(failed(format!("{} failed, {status}: {}", arguments.join(" "), printable(said))));
    }
    Ok(text)
}
