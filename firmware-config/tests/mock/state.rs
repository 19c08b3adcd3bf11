//! The machine behind a BMC, and how its vendor shows it.

use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fs, path::Path};

/// What a BMC does that it should not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Misbehaviour {
    #[default]
    None,
    /// Says yes to a change of attributes, and does nothing.
    ForgetsWrites,
    /// Somebody else writes whenever the settings were read.
    IsWrittenByAnother,
    /// Refuses this attribute.
    Refuses(&'static str),
    /// Answers a change with an error of its own.
    Breaks,
    /// Never answers a change.
    Hangs,
    /// Never answers a read of the BIOS.
    HangsOnBios,
    /// Is busy for so many reads.
    IsBusy(u32),
    /// Sends without end.
    NeverEnds,
    /// Sends what is no JSON.
    Babbles,
    /// Sends clients elsewhere.
    Redirects,
    /// Its collection of systems has one that is elsewhere.
    LinksElsewhere,
    /// Its collection of systems goes on for ever.
    PagesForEver,
    /// Resets, and does not put the settings in force.
    LosesSettings,
}

/// A machine, and its BMC's manners.
#[derive(Clone, Debug)]
pub struct State {
    pub service_vendor: Option<String>,
    pub manufacturer: String,
    pub systems: Vec<String>,
    pub uuid: String,
    pub attributes: Map<String, Value>,
    pub pending: Map<String, Value>,
    pub registry: Option<Value>,
    /// Where settings are written, below the BIOS.
    pub settings: &'static str,
    /// The settings show everything, and not what changes alone.
    pub settings_are_whole: bool,
    /// A change must say that it is for the next reset, and makes a job.
    pub wants_apply_time: bool,
    /// A change must say which version it is of.
    pub wants_etag: bool,
    pub apply_times: Option<Vec<&'static str>>,
    pub packs_registry: bool,
    pub secure_boot: bool,
    pub secure_boot_next: bool,
    pub secure_boot_mode: &'static str,
    /// Certificates in `db`, by id; none where the BMC does not show them.
    pub certificates: Option<BTreeMap<u32, String>>,
    pub power_limit: Option<Option<u32>>,
    pub version: u64,
    pub sessions: u32,
    pub misbehaviour: Misbehaviour,
    /// Every request that was not a read: method, path, body.
    pub written: Vec<(String, String, Value)>,
}

impl State {
    fn new(manufacturer: &str, registry: Option<&str>, attributes: Value) -> Self {
        let registry = registry.map(|name| {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/registries/{name}.json"));
            serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
        });
        Self {
            service_vendor: None,
            manufacturer: manufacturer.into(),
            systems: vec!["1".into()],
            uuid: "4c4c4544-0042-3510-8057-b8c04f4a3133".into(),
            attributes: attributes.as_object().unwrap().clone(),
            pending: Map::new(),
            registry,
            settings: "Settings",
            settings_are_whole: false,
            wants_apply_time: false,
            wants_etag: false,
            apply_times: None,
            packs_registry: false,
            secure_boot: false,
            secure_boot_next: false,
            secure_boot_mode: "UserMode",
            certificates: Some(BTreeMap::new()),
            power_limit: Some(None),
            version: 1,
            sessions: 0,
            misbehaviour: Misbehaviour::None,
            written: Vec::new(),
        }
    }

    /// An iDRAC: changes are jobs for the next reset.
    pub fn dell() -> Self {
        let attributes = json!({
            "LogicalProc": "Enabled", "ProcVirtualization": "Disabled", "SriovGlobalEnable": "Enabled",
            "MmioAbove4Gb": "Disabled", "SecureBoot": "Disabled", "TpmSecurity": "Off", "OsWatchdogTimer": "Disabled",
            "SystemBiosVersion": "1.2.4", "Proc1NumCores": 28,
        });
        Self {
            service_vendor: Some("Dell".into()),
            systems: vec!["System.Embedded.1".into()],
            wants_apply_time: true,
            apply_times: Some(vec!["OnReset", "AtMaintenanceWindowStart", "InMaintenanceWindowOnReset"]),
            ..Self::new("Dell Inc.", Some("dell"), attributes)
        }
    }

    /// An iLO: settings are pending by nature, and a registry comes packed.
    pub fn hpe() -> Self {
        let attributes = json!({
            "ProcHyperthreading": "Enabled", "IntelProcVtd": "Disabled", "Sriov": "Enabled", "TpmVisibility": "Hidden",
            "TpmState": "PresentDisabled", "SecureBootStatus": "Disabled",
        });
        Self {
            service_vendor: Some("HPE".into()),
            settings: "settings",
            settings_are_whole: true,
            wants_etag: true,
            packs_registry: true,
            ..Self::new("HPE", Some("hpe"), attributes)
        }
    }

    /// Numbered names, and two ways to spell a value.
    pub fn supermicro() -> Self {
        let attributes = json!({
            "SMTControl_0037": "Disable", "IOMMU_0196": "Auto", "SR_IOVSupport_002B": "Enabled",
            "Above4GDecoding_00B1": "Disabled", "Re_SizeBARSupport_00B2": "Disabled", "SecureBootEnable_0115": false,
            "SecurityDeviceSupport_005A": "Disable",
        });
        Self {
            service_vendor: Some("Supermicro".into()),
            settings: "SD",
            settings_are_whole: true,
            wants_etag: true,
            ..Self::new("Supermicro", Some("supermicro"), attributes)
        }
    }

    /// AMI's BMC: there are no settings until something is set.
    pub fn gigabyte() -> Self {
        let attributes =
            json!({ "Rome0059": "Disabled", "Rome0162": "Auto", "PCIS007": "Enabled", "PCIS006": "Disabled" });
        Self {
            service_vendor: Some("AMI".into()),
            systems: vec!["Self".into()],
            settings: "SD",
            ..Self::new("Giga Computing", Some("gigabyte"), attributes)
        }
    }

    /// A machine of a vendor that nobody made a map for.
    pub fn unknown() -> Self {
        Self::new("Acme Servers", None, json!({ "HyperThreads": "Yes" }))
    }

    /// Puts what is pending in force.
    pub fn reset(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if self.misbehaviour != Misbehaviour::LosesSettings {
            self.attributes.extend(pending);
            self.secure_boot = self.secure_boot_next;
        }
        self.version += 1;
    }

    /// Whether an attribute can be a value.
    pub fn allows(&self, name: &str, value: &Value) -> bool {
        let Some(registry) = &self.registry else { return self.attributes.contains_key(name) };
        let entries = registry["RegistryEntries"]["Attributes"].as_array().unwrap();
        let Some(entry) = entries.iter().find(|entry| entry["AttributeName"] == name) else { return false };
        let listed = entry["Value"].as_array();
        !entry["ReadOnly"].as_bool().unwrap()
            && listed.is_none_or(|values| values.iter().any(|listed| listed["ValueName"] == *value))
    }
}
