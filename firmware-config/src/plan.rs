//! What is to be done: the machine as it is, beside what is wanted of it. A pure function, which tests compare with.

use crate::{
    certificate::Certificate,
    model::{Key, Raw, Switch, Want, printable},
    profile::{Database, Profile, Setting, version_in},
    redfish::machine::{Bios, Machine},
    vendor::{Attribute, Spelling, Standard, VendorMap},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan<C = Change> {
    /// The profile that it is for.
    pub profile: String,
    /// The map by which it was made.
    pub map: String,
    /// Everything that is wanted, in the order in which it would be done.
    pub items: Vec<Item<C>>,
}

/// One thing that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item<C = Change> {
    /// Which: a key, or another name that metrics can have.
    pub name: String,
    /// What is wanted.
    pub wanted: String,
    /// What is in force, as the machine spells it.
    pub current: Option<String>,
    /// Where it is, as the machine calls it.
    pub place: Option<String>,
    /// How it stands.
    pub state: State<C>,
    /// Whether a machine that cannot do it is refused.
    pub required: bool,
    /// Why it is wanted.
    pub why: String,
}

/// How one thing stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State<C = Change> {
    /// It is in force.
    Holds,
    /// It was asked for, and takes a reset.
    Pending,
    /// It has to be written.
    Change(C),
    /// It cannot be done, with the reason.
    Impossible(String),
}

/// Something to write, with what takes it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Add a certificate to a database.
    AddCertificate {
        /// Which database.
        database: Database,
        /// The SHA-256 of its DER.
        fingerprint: String,
        /// The certificate. It is not a secret, and not repeated in logs.
        #[serde(skip_serializing, default)]
        pem: String,
    },
    /// Remove a certificate that was added.
    RemoveCertificate {
        /// Which database.
        database: Database,
        /// The SHA-256 of its DER.
        fingerprint: String,
    },
    /// Set a BIOS attribute.
    Attribute {
        /// Its name.
        name: String,
        /// What it was.
        from: Raw,
        /// What it shall be.
        to: Raw,
    },
    /// Set what the machine may draw.
    PowerLimit {
        /// What it was; none for no limit.
        from: Option<u32>,
        /// What it shall be.
        to: Option<u32>,
    },
    /// Switch Secure Boot.
    SecureBoot {
        /// What it was.
        from: bool,
        /// What it shall be.
        to: bool,
    },
}

impl Change {
    /// Their order: a certificate has to be trusted before Secure Boot asks for it.
    fn rank(&self) -> u8 {
        match self {
            Self::AddCertificate { .. } => 0,
            Self::Attribute { .. } => 1,
            Self::PowerLimit { .. } => 2,
            Self::SecureBoot { .. } => 3,
            Self::RemoveCertificate { .. } => 4,
        }
    }

    /// What takes it back.
    #[must_use]
    pub(crate) fn undone(&self) -> Self {
        match self.clone() {
            Self::AddCertificate { database, fingerprint, .. } => Self::RemoveCertificate { database, fingerprint },
            Self::RemoveCertificate { database, fingerprint } => {
                Self::AddCertificate { database, fingerprint, pem: String::new() }
            }
            Self::Attribute { name, from, to } => Self::Attribute { name, from: to, to: from },
            Self::PowerLimit { from, to } => Self::PowerLimit { from: to, to: from },
            Self::SecureBoot { from, to } => Self::SecureBoot { from: to, to: from },
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |watts: &Option<u32>| watts.map_or("no limit".to_owned(), |watts| format!("{watts} W"));
        match self {
            Self::AddCertificate { .. } => f.write_str("add"),
            Self::RemoveCertificate { .. } => f.write_str("remove"),
            Self::Attribute { from, to, .. } => write!(f, "{from} → {to}"),
            Self::PowerLimit { from, to } => write!(f, "{} → {}", limit(from), limit(to)),
            Self::SecureBoot { from, to } => {
                let word = |on: &bool| if *on { "on" } else { "off" };
                write!(f, "{} → {}", word(from), word(to))
            }
        }
    }
}

impl<C> Plan<C> {
    /// What has to be written, in order.
    pub fn changes(&self) -> impl Iterator<Item = &C> {
        self.items.iter().filter_map(|item| match &item.state {
            State::Change(change) => Some(change),
            State::Holds | State::Pending | State::Impossible(_) => None,
        })
    }

    /// What is required and cannot be done, with the reason.
    pub fn blockers(&self) -> impl Iterator<Item = String> {
        self.items.iter().filter(|item| item.required).filter_map(|item| match &item.state {
            State::Impossible(reason) => Some(format!("{}: {reason}", item.name)),
            State::Holds | State::Pending | State::Change(_) => None,
        })
    }

    /// Whether everything that is required is in force, and nothing that could be is not.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.items.iter().all(|item| match item.state {
            State::Holds => true,
            State::Impossible(_) => !item.required,
            State::Pending | State::Change(_) => false,
        })
    }

    /// What is not in force and could be.
    pub fn unfinished(&self) -> impl Iterator<Item = &Item<C>> {
        self.items.iter().filter(|item| matches!(item.state, State::Pending | State::Change(_)))
    }

    /// What was asked for, and waits for a reset.
    pub fn pending(&self) -> impl Iterator<Item = &Item<C>> {
        self.items.iter().filter(|item| matches!(item.state, State::Pending))
    }
}

/// What has to be done so that a machine is as a profile wants it.
#[must_use]
pub fn plan(profile: &Profile, certificates: &[Certificate], map: &VendorMap, machine: &Machine) -> Plan {
    let mut items: Vec<_> = certificates.iter().map(|wanted| certificate(wanted, machine)).collect();
    items.extend(profile.settings.iter().map(|(key, setting)| self::setting(*key, setting, map, machine)));
    let versions = &profile.minimum_versions;
    items.extend(versions.bios.as_deref().map(|min| version("bios_version", min, machine.bios_version.as_deref())));
    items.extend(versions.bmc.as_deref().map(|min| version("bmc_version", min, machine.bmc_version.as_deref())));
    in_order(&profile.name, &map.name, items)
}

/// What has to be done so that a machine is as it was before `changes`.
#[must_use]
pub fn rollback_plan(profile: &str, map: &str, changes: &[Change], machine: &Machine) -> Plan {
    let items = changes.iter().map(|change| restored(change.undone(), machine)).collect();
    in_order(profile, map, items)
}

fn in_order(profile: &str, map: &str, mut items: Vec<Item>) -> Plan {
    items.sort_by_key(|item| match &item.state {
        State::Change(change) => change.rank(),
        State::Holds | State::Pending | State::Impossible(_) => u8::MAX,
    });
    Plan { profile: profile.to_owned(), map: map.to_owned(), items }
}

fn setting(key: Key, setting: &Setting, map: &VendorMap, machine: &Machine) -> Item {
    let mut item = Item {
        name: key.name().to_owned(),
        wanted: setting.want.to_string(),
        current: None,
        place: None,
        state: State::Holds,
        required: setting.required,
        why: setting.why.clone(),
    };
    let spelling = map.settings.get(&key);
    item.state = match (spelling, setting.want) {
        (Some(Spelling::Attribute(attribute)), Want::Switch(switch)) => {
            by_attribute(&mut item, attribute, switch, map, machine.bios.as_ref())
        }
        (Some(Spelling::Standard(resource)), want) => match (resource.standard, want) {
            (Standard::SecureBoot, Want::Switch(switch)) => secure_boot(&mut item, switch == Switch::On, machine),
            (Standard::PowerLimit, Want::Watts(watts)) => power_limit(&mut item, Some(watts), machine),
            _ => State::Impossible(format!("the map {:?} has another kind of setting for it", map.name)),
        },
        (Some(Spelling::Attribute(_)), Want::Watts(_)) => {
            State::Impossible(format!("the map {:?} has another kind of setting for it", map.name))
        }
        (None, _) => {
            let reason = map.unsupported.get(&key).map_or("no reason given", String::as_str);
            State::Impossible(format!("unsupported by the map {:?}: {reason}", map.name))
        }
    };
    item
}

fn by_attribute(item: &mut Item, wanted: &Attribute, switch: Switch, map: &VendorMap, bios: Option<&Bios>) -> State {
    let Some(bios) = bios else {
        return State::Impossible("the BMC shows no BIOS attributes; some need a licence for it".into());
    };
    let name = match attribute_of(wanted, map, bios) {
        Ok(name) => name,
        Err(reason) => return State::Impossible(reason),
    };
    item.place = Some(name.clone());
    let current = &bios.attributes[&name];
    item.current = Some(current.to_string());
    let values = wanted.values(switch);
    let (holds, stays) = (values.contains(current), bios.after_reset(&name).is_some_and(|then| values.contains(then)));
    match (holds, stays) {
        (true, true) => return State::Holds,
        (false, true) => return State::Pending,
        // What is in force and about to be undone has to be asked for, too.
        (_, false) => {}
    }
    match spelled(&name, values, bios) {
        // What the settings say is what a write replaces, and what takes it back.
        Ok(to) => {
            let from = bios.after_reset(&name).unwrap_or(current).clone();
            State::Change(Change::Attribute { name, from, to })
        }
        Err(reason) => State::Impossible(reason),
    }
}

/// The machine's name for an attribute.
fn attribute_of(wanted: &Attribute, map: &VendorMap, bios: &Bios) -> Result<String, String> {
    for candidate in &wanted.attributes {
        let found: Vec<_> = bios.attributes.keys().filter(|name| map.is_named(name, candidate)).collect();
        match found.as_slice() {
            [] => {}
            [name] => return Ok((*name).clone()),
            several => {
                let names: Vec<_> = several.iter().map(|name| printable(name)).collect();
                return Err(format!("{} attributes could be meant: {}", names.len(), names.join(", ")));
            }
        }
    }
    Err(format!("this BIOS has no attribute {}", wanted.attributes.join(" or ")))
}

/// How this machine spells a value.
fn spelled(name: &str, values: &[Raw], bios: &Bios) -> Result<Raw, String> {
    let shown = || values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    match bios.registry.as_ref().and_then(|registry| registry.get(name)) {
        Some(entry) if entry.read_only => Err(format!("{} is read-only on this machine", printable(name))),
        Some(entry) => match values.iter().find(|value| entry.allows(value)) {
            Some(value) => Ok(value.clone()),
            None => {
                let can: Vec<_> = entry.values.iter().flatten().map(|value| printable(value)).collect();
                Err(format!("{} can be {}, and not {}", printable(name), can.join(", "), shown()))
            }
        },
        // Without a registry, what the machine shows tells one spelling from the other.
        None => match values {
            [only] => Ok(only.clone()),
            several => several.iter().find(|value| bios.after_reset(name) == Some(value)).cloned().ok_or_else(|| {
                format!("the BMC has no attribute registry that says whether {} takes {}", printable(name), shown())
            }),
        },
    }
}

fn secure_boot(item: &mut Item, to: bool, machine: &Machine) -> State {
    let Some(found) = &machine.secure_boot else {
        return State::Impossible("the BMC does not show Secure Boot".into());
    };
    item.place = Some("SecureBootEnable".into());
    let Some(from) = found.enabled else {
        return State::Impossible("the BMC does not say whether Secure Boot is on".into());
    };
    // What the machine booted with counts, where it is known.
    let in_force = found.in_force.unwrap_or(from);
    item.current = Some(if in_force { "on".into() } else { "off".into() });
    if from == to {
        return if in_force == to { State::Holds } else { State::Pending };
    }
    if to && found.mode.as_deref() == Some("SetupMode") {
        return State::Impossible(
            "Secure Boot is in setup mode: it has no platform key, and would check nothing".into(),
        );
    }
    State::Change(Change::SecureBoot { from, to })
}

fn power_limit(item: &mut Item, to: Option<u32>, machine: &Machine) -> State {
    let Some(found) = &machine.power else {
        return State::Impossible("the BMC shows no power limit; some need a licence for it".into());
    };
    item.place = Some("LimitInWatts".into());
    item.current = Some(found.limit_watts.map_or("no limit".into(), |watts| format!("{watts} W")));
    if found.limit_watts == to {
        State::Holds
    } else {
        State::Change(Change::PowerLimit { from: found.limit_watts, to })
    }
}

fn certificate(wanted: &Certificate, machine: &Machine) -> Item {
    let change = Change::AddCertificate {
        database: wanted.database,
        fingerprint: wanted.fingerprint.clone(),
        pem: wanted.pem.clone(),
    };
    Item { why: wanted.why.clone(), ..certificate_item(wanted.database, &wanted.fingerprint, change, machine) }
}

/// A certificate that is wanted in a database, or out of it.
fn certificate_item(database: Database, fingerprint: &str, change: Change, machine: &Machine) -> Item {
    let wanted_in = matches!(change, Change::AddCertificate { .. });
    let databases = machine.secure_boot.as_ref().map(|found| found.databases.as_slice()).unwrap_or_default();
    let found = databases.iter().find(|found| found.database == database);
    let short = fingerprint.get(..16).unwrap_or(fingerprint);
    let there = found.is_some_and(|found| found.certificates.contains_key(fingerprint));
    let state = match found {
        None => State::Impossible(format!("the BMC does not show the Secure Boot database {}", database.name())),
        Some(_) if there == wanted_in => State::Holds,
        Some(found) if found.unreadable > 0 && wanted_in => State::Impossible(format!(
            "{} certificates in {} cannot be read: it may be one of them",
            found.unreadable,
            database.name()
        )),
        Some(_) => State::Change(change),
    };
    Item {
        name: format!("certificate_{}_{short}", database.name().to_lowercase()),
        wanted: if wanted_in { "present".into() } else { "absent".into() },
        current: found.map(|_| if there { "present".into() } else { "absent".into() }),
        place: Some(format!("SecureBootDatabases/{}", database.name())),
        state,
        required: true,
        why: "it was not there before".into(),
    }
}

fn version(name: &str, minimum: &str, current: Option<&str>) -> Item {
    let found = current.and_then(version_in);
    let state = match (current, &found) {
        (None, _) => State::Impossible("the BMC does not say which version this is".into()),
        (Some(text), None) => State::Impossible(format!("{:?} has no numbers to compare", printable(text))),
        (Some(_), Some(_)) if found >= version_in(minimum) => State::Holds,
        (Some(_), Some(_)) => {
            State::Impossible("too old: update it with the vendor's tool or fwupd, then plan again".into())
        }
    };
    Item {
        name: name.to_owned(),
        wanted: format!("{minimum} or newer"),
        current: current.map(printable),
        place: None,
        state,
        required: true,
        why: "older firmware has faults that this profile does not accept".into(),
    }
}

/// How a change that takes another back stands.
fn restored(change: Change, machine: &Machine) -> Item {
    let mut item = Item {
        name: String::new(),
        wanted: String::new(),
        current: None,
        place: None,
        state: State::Holds,
        required: true,
        why: "it was so before".into(),
    };
    match change {
        Change::Attribute { name, to, .. } => {
            (item.name, item.wanted, item.place) = (format!("attribute_{name}"), to.to_string(), Some(name.clone()));
            let current = machine.bios.as_ref().and_then(|bios| bios.attributes.get(&name));
            item.current = current.map(ToString::to_string);
            item.state = match (current, &machine.bios) {
                (Some(current), Some(bios)) => match (*current == to, bios.after_reset(&name) == Some(&to)) {
                    (true, true) => State::Holds,
                    (false, true) => State::Pending,
                    (_, false) => {
                        let from = bios.after_reset(&name).unwrap_or(current).clone();
                        State::Change(Change::Attribute { name, from, to })
                    }
                },
                _ => State::Impossible(format!("this BIOS has no attribute {}", printable(&name))),
            };
        }
        Change::PowerLimit { to, .. } => {
            item.name = Key::PowerCapWatts.name().to_owned();
            item.wanted = to.map_or("no limit".into(), |watts| format!("{watts} W"));
            item.state = power_limit(&mut item, to, machine);
        }
        Change::SecureBoot { to, .. } => {
            item.name = Key::SecureBoot.name().to_owned();
            item.wanted = if to { "on".into() } else { "off".into() };
            item.state = secure_boot(&mut item, to, machine);
        }
        Change::RemoveCertificate { database, ref fingerprint } => {
            let fingerprint = fingerprint.clone();
            return certificate_item(database, &fingerprint, change, machine);
        }
        Change::AddCertificate { database, .. } => {
            item.name = format!("certificate_{}", database.name().to_lowercase());
            item.wanted = "present".into();
            item.state = State::Impossible(
                "a certificate that was removed is not in the rollback file: plan with its profile".into(),
            );
        }
    }
    item
}
