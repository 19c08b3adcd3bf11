//! Carries a plan out: remembers first, writes what has to be written and nothing else, and looks whether it was taken.

use crate::{
    error::FirmwareError,
    journal::Journal,
    model::{Raw, printable},
    plan::{Change, Plan},
    redfish::{
        client::{Answer, Client},
        machine::{Bios, Machine},
    },
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::{path::PathBuf, time::Duration};
use tokio::time::Instant;

/// How often a machine is looked at after a reset.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What was done.
#[derive(Clone, Debug, Serialize)]
pub struct Applied {
    /// What was written.
    pub changes: Vec<Change>,
    /// What takes it back; none when there was nothing to write.
    pub rollback: Option<PathBuf>,
    /// What the BMC made of it: its jobs and tasks.
    pub tasks: Vec<String>,
}

/// How a machine is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetKind {
    /// The system is asked to shut down first.
    Graceful,
    /// At once.
    Forced,
}

impl ResetKind {
    /// Redfish's name for it.
    fn name(self) -> &'static str {
        match self {
            Self::Graceful => "GracefulRestart",
            Self::Forced => "ForceRestart",
        }
    }
}

/// Writes what a plan has to write.
///
/// # Errors
/// With [`FirmwareError::Impossible`], before anything is written, when something required cannot be done and `partial` is not
/// set. With [`FirmwareError::Interrupted`] or [`FirmwareError::NotTaken`], which name the rollback file, after that.
pub async fn apply(
    client: &Client,
    machine: &Machine,
    plan: &Plan,
    say_on_reset: bool,
    partial: bool,
    journal: &Journal,
) -> Result<Applied, FirmwareError> {
    let reasons: Vec<_> = plan.blockers().collect();
    if !partial && !reasons.is_empty() {
        return Err(FirmwareError::Impossible { reasons });
    }
    let changes: Vec<_> = plan.changes().cloned().collect();
    if changes.is_empty() {
        return Ok(Applied { changes, rollback: None, tasks: Vec::new() });
    }
    let apply_time = match &machine.bios {
        Some(bios) if changes.iter().any(|change| matches!(change, Change::Attribute { .. })) => {
            on_reset(bios, say_on_reset)?
        }
        _ => false,
    };
    let rollback = journal.remember(&plan.profile, &plan.map, changes.clone())?;
    let mut writer = Writer { client, machine, journal, apply_time, tasks: Vec::new() };
    let written = writer.write(&changes).await;
    let tasks = writer.tasks;
    let interrupted = |source| FirmwareError::Interrupted { source: Box::new(source), rollback: rollback.clone() };
    written.map_err(interrupted)?;
    let now = Machine::read(client, Some(&machine.id)).await.map_err(interrupted)?;
    let missing: Vec<_> = changes.iter().filter_map(|change| not_taken(change, &now, !tasks.is_empty())).collect();
    if !missing.is_empty() {
        journal.audit("not_taken", json!({ "missing": missing }))?;
        return Err(FirmwareError::NotTaken { missing, rollback });
    }
    journal.audit("applied", json!({ "changes": changes.len(), "rollback": rollback, "tasks": tasks }))?;
    Ok(Applied { changes, rollback: Some(rollback), tasks })
}

/// Whether a change of attributes has to say that it is for the next reset.
fn on_reset(bios: &Bios, say_on_reset: bool) -> Result<bool, FirmwareError> {
    match &bios.apply_times {
        None => Ok(say_on_reset),
        Some(times) if times.contains("OnReset") => Ok(true),
        Some(times) => {
            let got = times.iter().map(|time| printable(time)).collect::<Vec<_>>().join(", ");
            Err(FirmwareError::malformed(format!("GET {}", bios.path), "OnReset among SupportedApplyTimes", got))
        }
    }
}

struct Writer<'a> {
    client: &'a Client,
    machine: &'a Machine,
    journal: &'a Journal,
    apply_time: bool,
    tasks: Vec<String>,
}

impl Writer<'_> {
    /// Attributes go in one request, so that the BMC takes all of them or none.
    async fn write(&mut self, changes: &[Change]) -> Result<(), FirmwareError> {
        let is_attribute = |change: &&Change| matches!(change, Change::Attribute { .. });
        let attributes: Vec<_> = changes.iter().filter(is_attribute).collect();
        let mut wrote_attributes = false;
        for change in changes {
            let together = if is_attribute(&change) { attributes.as_slice() } else { &[change] };
            if is_attribute(&change) && std::mem::replace(&mut wrote_attributes, true) {
                continue;
            }
            self.journal.audit("write", json!({ "changes": together }))?;
            match self.request(together).await {
                Ok(answer) => {
                    let task = answer.location.filter(|_| answer.status == 202).map(|location| printable(&location));
                    self.journal.audit("written", json!({ "status": answer.status, "task": task }))?;
                    self.tasks.extend(task);
                }
                Err(error) => {
                    self.journal.audit("failed", json!({ "error": error.to_string() }))?;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn request(&self, together: &[&Change]) -> Result<Answer, FirmwareError> {
        let gone = |what: &str| FirmwareError::malformed("the plan", format!("a machine with {what}"), "one without");
        match together {
            [Change::SecureBoot { to, .. }] => {
                let found = self.machine.secure_boot.as_ref().ok_or_else(|| gone("Secure Boot"))?;
                self.client.patch(&found.path, &json!({ "SecureBootEnable": to }), found.etag.as_deref()).await
            }
            [Change::PowerLimit { to, .. }] => {
                let found = self.machine.power.as_ref().ok_or_else(|| gone("a power limit"))?;
                // An empty part is left as it is; a missing one would be removed.
                let mut parts = vec![json!({}); found.parts.max(1)];
                parts[0] = json!({ "PowerLimit": { "LimitInWatts": to } });
                self.client.patch(&found.path, &json!({ "PowerControl": parts }), found.etag.as_deref()).await
            }
            [Change::AddCertificate { database, pem, .. }] => {
                let found = self.machine.secure_boot.iter().flat_map(|found| &found.databases);
                let found = found.into_iter().find(|found| found.database == *database);
                let found = found.ok_or_else(|| gone("that database"))?;
                let body = json!({ "CertificateString": pem, "CertificateType": "PEM" });
                self.client.post(&found.path, &body).await
            }
            [Change::RemoveCertificate { database, fingerprint }] => {
                let mut found = self.machine.secure_boot.iter().flat_map(|found| &found.databases);
                let found = found.find(|found| found.database == *database);
                let path = found.and_then(|found| found.certificates.get(fingerprint));
                self.client.delete(path.ok_or_else(|| gone("that certificate"))?).await
            }
            attributes => {
                let bios = self.machine.bios.as_ref().ok_or_else(|| gone("BIOS attributes"))?;
                let body = attributes_body(attributes, self.apply_time);
                self.client.patch(&bios.settings_path, &body, bios.etag.as_deref()).await
            }
        }
    }
}

fn attributes_body(changes: &[&Change], apply_time: bool) -> Value {
    let values: Map<String, Value> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Attribute { name, to, .. } => Some((name.clone(), raw(to))),
            _ => None,
        })
        .collect();
    let mut body = json!({ "Attributes": values });
    if apply_time {
        body["@Redfish.SettingsApplyTime"] =
            json!({ "@odata.type": "#Settings.v1_1_0.PreferredApplyTime", "ApplyTime": "OnReset" });
    }
    body
}

fn raw(value: &Raw) -> Value {
    match value {
        Raw::Boolean(value) => json!(value),
        Raw::Integer(value) => json!(value),
        Raw::Text(value) => json!(value),
    }
}

/// What a machine shows of a change that was written, if that is not what was asked for. Certificates may come with a task, later.
fn not_taken(change: &Change, now: &Machine, has_task: bool) -> Option<String> {
    let has = |database, fingerprint: &str| {
        let mut databases = now.secure_boot.iter().flat_map(|found| &found.databases);
        databases.any(|found| found.database == database && found.certificates.contains_key(fingerprint))
    };
    match change {
        Change::Attribute { name, to, .. } => {
            let shown = now.bios.as_ref().and_then(|bios| bios.after_reset(name));
            let got = shown.map_or("nothing".into(), ToString::to_string);
            (shown != Some(to)).then(|| format!("{}: expected {to}, got {got}", printable(name)))
        }
        Change::PowerLimit { to, .. } => {
            let shown = now.power.as_ref().map(|power| power.limit_watts);
            (shown != Some(*to)).then(|| format!("power limit: expected {to:?} W, got {:?}", shown.flatten()))
        }
        Change::SecureBoot { to, .. } => {
            let shown = now.secure_boot.as_ref().and_then(|found| found.enabled);
            (shown != Some(*to)).then(|| format!("SecureBootEnable: expected {to}, got {shown:?}"))
        }
        Change::AddCertificate { database, fingerprint, .. } => (!has_task && !has(*database, fingerprint))
            .then(|| format!("certificate {fingerprint} in {}: expected it there", database.name())),
        Change::RemoveCertificate { database, fingerprint } => (!has_task && has(*database, fingerprint))
            .then(|| format!("certificate {fingerprint} in {}: expected it gone", database.name())),
    }
}

/// Resets a machine, so that what was asked for comes into force.
///
/// # Errors
/// When the BMC cannot reset it so.
pub async fn reset(
    client: &Client,
    machine: &Machine,
    kind: ResetKind,
    journal: &Journal,
) -> Result<(), FirmwareError> {
    let what = format!("system {}", printable(&machine.id));
    let Some(found) = &machine.reset else {
        return Err(FirmwareError::malformed(what, "an action ComputerSystem.Reset", "none"));
    };
    if !found.types.is_empty() && !found.types.contains(kind.name()) {
        let got = found.types.iter().map(|kind| printable(kind)).collect::<Vec<_>>().join(", ");
        return Err(FirmwareError::malformed(what, format!("{} among its resets", kind.name()), got));
    }
    journal.audit("reset", json!({ "type": kind.name() }))?;
    client.post(&found.target, &json!({ "ResetType": kind.name() })).await.map(drop)
}

/// Waits until everything that a plan asks for is in force, and looks now and then. What cannot be done is not waited for.
///
/// # Errors
/// With [`FirmwareError::NotInForce`] when it is not in time. A BMC that does not answer meanwhile is asked again.
pub async fn wait_until_in_force(
    client: &Client,
    system: &str,
    wait: Duration,
    plan: impl Fn(&Machine) -> Plan,
) -> Result<Machine, FirmwareError> {
    let until = Instant::now() + wait;
    loop {
        let mut keys = vec!["the BMC does not answer".to_owned()];
        match Machine::read(client, Some(system)).await {
            Ok(machine) => {
                let planned = plan(&machine);
                keys = planned.unfinished().map(|item| item.name.clone()).collect();
                if keys.is_empty() {
                    return Ok(machine);
                }
            }
            Err(FirmwareError::Unreachable { .. } | FirmwareError::TimedOut { .. }) => {}
            Err(FirmwareError::Refused { status: 404 | 500.., .. }) => {}
            Err(error) => return Err(error),
        }
        if Instant::now() + LOOK_EVERY > until {
            return Err(FirmwareError::NotInForce { waited_s: wait.as_secs(), keys });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
